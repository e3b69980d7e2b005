#include "checkpoint/gguf_config.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

namespace glimt {
namespace {

constexpr std::string_view kArchitecture = "deepseek2";
constexpr std::int64_t kMostSize = INT32_MAX;  // Config has the narrower bounds

std::string describe(const GgufValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return fmt::format("'{}'", text->substr(0, 80));
  if (const auto* array = std::get_if<GgufArray>(&value)) return fmt::format("a list of {}", array->count);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  return fmt::format("{}", std::get<std::uint64_t>(value));
}

class Metadata {
 public:
  Metadata(const GgufHeader& header, const std::string& file) : header_(header), file_(file) {}

  const GgufValue* find(const std::string& key) const {
    const auto found = header_.metadata.find(key);
    return found == header_.metadata.end() ? nullptr : &found->second;
  }

  std::optional<std::int64_t> integer(const std::string& key, std::int64_t least = 0) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return std::nullopt;
    std::int64_t number = -1;
    if (const auto* u = std::get_if<std::uint64_t>(value))
      number = *u <= INT64_MAX ? static_cast<std::int64_t>(*u) : -1;
    if (const auto* i = std::get_if<std::int64_t>(value)) number = *i;
    if (number < least || number > kMostSize) {
      wrong(key, fmt::format("a whole number from {} to {}", least, kMostSize), *value);
    }
    return number;
  }

  std::int64_t needed(const std::string& key, std::int64_t least = 1) const {
    if (const std::optional<std::int64_t> value = integer(key, least)) return *value;
    missing(key);
  }

  double number(const std::string& key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) missing(key);
    const auto* number = std::get_if<double>(value);
    if (number == nullptr || !std::isfinite(*number)) wrong(key, "a finite number", *value);
    return shortest(*number);
  }

  bool flag_or(const std::string& key, bool fallback) const {
    const GgufValue* value = find(key);
    if (value == nullptr) return fallback;
    const auto* flag = std::get_if<bool>(value);
    if (flag == nullptr) wrong(key, "true or false", *value);
    return *flag;
  }

  std::string text(const std::string& key) const {
    const GgufValue* value = find(key);
    if (value == nullptr) missing(key);
    const auto* text = std::get_if<std::string>(value);
    if (text == nullptr) wrong(key, "a text", *value);
    return *text;
  }

  const std::string& file() const { return file_; }

 private:
  // Of a float32 that stands for a decimal number: 1.8, not 1.7999999523162842.
  static double shortest(double number) { return std::stod(fmt::format("{}", static_cast<float>(number))); }

  [[noreturn]] void missing(const std::string& key) const {
    fail(ErrorKind::bad_file, file_, "metadata '{}' is missing", key);
  }
  [[noreturn]] void wrong(const std::string& key, const std::string& wanted, const GgufValue& got) const {
    fail(ErrorKind::bad_file, file_, "metadata '{}' must be {}, got {}", key, wanted, describe(got));
  }

  const GgufHeader& header_;
  const std::string& file_;
};

std::string key(std::string_view name) { return fmt::format("{}.{}", kArchitecture, name); }

void check_architecture(const Metadata& metadata) {
  const std::string architecture = metadata.text("general.architecture");
  if (architecture != kArchitecture) {
    fail(ErrorKind::unsupported, metadata.file(),
         "its architecture is '{}'; glimt reads GLM-4.7-Flash, which is '{}' in GGUF", architecture.substr(0, 80),
         kArchitecture);
  }
  if (metadata.integer("split.count").value_or(0) > 1) {
    fail(ErrorKind::unsupported, metadata.file(), "is one of {} files; join them first (llama-gguf-split --merge)",
         *metadata.integer("split.count"));
  }
}

// The experts' scores: sigmoid is 2. Files that were made before llama.cpp knew better have softmax for this model.
void check_gating(const Metadata& metadata) {
  const std::string name = key("expert_gating_func");
  constexpr const char* kWhy =
      "glimt has sigmoid (2), which GLM-4.7-Flash was trained with; with softmax it loops. The file was made by an "
      "old converter: get a newer one";
  const std::optional<std::int64_t> function = metadata.integer(name);
  if (!function) {
    fail(ErrorKind::unsupported, metadata.file(), "metadata '{}' is missing, which means softmax; {}", name, kWhy);
  }
  if (*function != 2) {
    fail(ErrorKind::unsupported, metadata.file(), "metadata '{}' is {}{}; {}", name, *function,
         *function == 1 ? " (softmax)" : "", kWhy);
  }
}

void check_rope(const Metadata& metadata) {
  const std::string name = key("rope.scaling.type");
  if (metadata.find(name) == nullptr || metadata.text(name) == "none") return;
  fail(ErrorKind::unsupported, metadata.file(), "metadata '{}' is '{}'; glimt reads GGUF without scaling", name,
       metadata.text(name).substr(0, 80));
}

json::array end_tokens(const Metadata& metadata) {
  std::vector<std::int64_t> ids;
  for (const char* name : {"eos", "eot", "eom"}) {
    const auto id = metadata.integer(fmt::format("tokenizer.ggml.{}_token_id", name));
    if (id && std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(*id);
  }
  json::array array;
  for (const std::int64_t id : ids) array.emplace_back(id);
  return array;
}

void add_attention(json::object& config, const Metadata& metadata) {
  config["num_attention_heads"] = config["num_key_value_heads"] = metadata.needed(key("attention.head_count"));
  const auto query_rank = metadata.integer(key("attention.q_lora_rank"));
  config["q_lora_rank"] = query_rank && *query_rank > 0 ? json::value(*query_rank) : json::value();
  config["kv_lora_rank"] = metadata.needed(key("attention.kv_lora_rank"));
  // Of a head. Without "_mla" in a file whose key-value cache is one of plain heads.
  const std::int64_t rotary = metadata.needed(key("rope.dimension_count"));
  const auto of_head = [&](const char* name) {
    const auto mla = metadata.integer(key(fmt::format("attention.{}_mla", name)), 1);
    return mla ? *mla : metadata.needed(key(fmt::format("attention.{}", name)));
  };
  const std::int64_t whole = of_head("key_length");
  if (whole <= rotary) {
    fail(ErrorKind::bad_file, metadata.file(), "metadata '{}' is {}, a head's key has {}: nothing is left beside it",
         key("rope.dimension_count"), rotary, whole);
  }
  config["qk_nope_head_dim"] = whole - rotary;
  config["qk_rope_head_dim"] = rotary;
  config["v_head_dim"] = of_head("value_length");
  config["attention_bias"] = false;
}

void add_experts(json::object& config, const Metadata& metadata) {
  config["n_routed_experts"] = metadata.needed(key("expert_count"));
  config["num_experts_per_tok"] = metadata.needed(key("expert_used_count"));
  config["n_shared_experts"] = metadata.integer(key("expert_shared_count")).value_or(0);
  config["moe_intermediate_size"] = metadata.needed(key("expert_feed_forward_length"));
  config["first_k_dense_replace"] = metadata.integer(key("leading_dense_block_count")).value_or(0);
  config["n_group"] = std::max<std::int64_t>(1, metadata.integer(key("expert_group_count")).value_or(1));
  config["topk_group"] = std::max<std::int64_t>(1, metadata.integer(key("expert_group_used_count")).value_or(1));
  config["norm_topk_prob"] = metadata.flag_or(key("expert_weights_norm"), false);
  config["routed_scaling_factor"] = metadata.number(key("expert_weights_scale"));
  config["scoring_func"] = "sigmoid";
  config["topk_method"] = "noaux_tc";
}

std::int64_t vocabulary(const GgufHeader& header, const Metadata& metadata) {
  const auto table = header.tensors.find("token_embd.weight");
  if (table == header.tensors.end() || table->second.shape.size() != 2) {
    fail(ErrorKind::bad_file, metadata.file(), "tensor 'token_embd.weight' must be there, with two dimensions");
  }
  return table->second.shape[0];
}

struct Layers {
  std::int64_t trunk, nextn;
};

// Layers for multi-token prediction count as blocks, and come last. A file may say that there are some and not have
// them.
Layers layers_of(const GgufHeader& header, const Metadata& metadata) {
  const std::int64_t blocks = metadata.needed(key("block_count"));
  const std::int64_t nextn = metadata.integer(key("nextn_predict_layers")).value_or(0);
  if (nextn >= blocks) {
    fail(ErrorKind::bad_file, metadata.file(), "metadata '{}' is {}, of {} blocks", key("nextn_predict_layers"), nextn,
         blocks);
  }
  const auto has = [&](const std::string& prefix) {
    const auto next = header.tensors.lower_bound(prefix);
    return next != header.tensors.end() && next->first.starts_with(prefix);
  };
  const std::string last = fmt::format("blk.{}.", blocks - 1);
  if (nextn > 0 && has(last) && !has(last + "nextn.")) return {blocks, 0};
  return {blocks - nextn, nextn};
}

}  // namespace

json::object gguf_config(const GgufHeader& header, const std::string& file) {
  const Metadata metadata(header, file);
  check_architecture(metadata);
  check_gating(metadata);
  check_rope(metadata);
  const Layers layers = layers_of(header, metadata);
  json::object config{{"architectures", json::array{"Glm4MoeLiteForCausalLM"}}, {"model_type", "glm4_moe_lite"}};
  config["hidden_size"] = metadata.needed(key("embedding_length"));
  config["intermediate_size"] = metadata.needed(key("feed_forward_length"));
  config["num_hidden_layers"] = layers.trunk;
  config["num_nextn_predict_layers"] = layers.nextn;
  add_attention(config, metadata);
  add_experts(config, metadata);
  config["vocab_size"] = vocabulary(header, metadata);
  config["max_position_embeddings"] = metadata.needed(key("context_length"));
  config["rms_norm_eps"] = metadata.number(key("attention.layer_norm_rms_epsilon"));
  config["rope_theta"] = metadata.number(key("rope.freq_base"));
  config["rope_scaling"] = nullptr;
  config["rope_interleave"] = true;
  config["hidden_act"] = "silu";
  config["tie_word_embeddings"] = !header.tensors.contains("output.weight");
  if (const json::array ends = end_tokens(metadata); !ends.empty()) config["eos_token_id"] = ends;
  config["torch_dtype"] = "bfloat16";
  return config;
}

std::string gguf_chat_template(const GgufHeader& header) {
  const auto found = header.metadata.find("tokenizer.chat_template");
  const auto* text = found == header.metadata.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text == nullptr ? std::string() : *text;
}

}  // namespace glimt
