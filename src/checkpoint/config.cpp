#include "checkpoint/config.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace glimt {
namespace {

// Bounds that any real model of this family is far below; products of two of them fit into 64 bits, and one of them
// times a row of weights cannot ask for absurd memory before the files' own sizes have been checked.
constexpr std::int64_t kMaxSize = 1 << 20;
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxHeads = 4096;
constexpr std::int64_t kMaxExperts = 16384;
constexpr std::int64_t kMaxVocabulary = 1 << 24;
constexpr std::int64_t kMaxContext = 1 << 28;

int size_field(const JsonFields& fields, std::string_view name, std::int64_t max = kMaxSize) {
  return static_cast<int>(fields.integer(name, 1, max));
}

// A field whose only value glimt implements is `supported`.
void require(const JsonFields& fields, std::string_view name, std::string_view supported) {
  const std::string got = fields.string_or(name, std::string(supported));
  if (got != supported) {
    fail(ErrorKind::unsupported, fields.where(), "field '{}' is '{}', glimt has only '{}'", name, got, supported);
  }
}

[[noreturn]] void impossible(const JsonFields& fields, const std::string& why) {
  throw Error(ErrorKind::bad_file, fields.where() + ": " + why);
}

constexpr std::string_view kArchitectures[] = {"Glm4MoeLiteForCausalLM", "GLM4MoeLite"};
constexpr std::string_view kModelType = "glm4_moe_lite";

// The name in 'architectures'. Some writers leave it out or empty: then 'model_type' says what it is.
std::string architecture_of(const JsonFields& fields) {
  if (!fields.has("architectures") || fields.array("architectures").empty()) {
    if (!fields.has("model_type")) impossible(fields, "field 'architectures' is missing, and so is 'model_type'");
    if (const std::string type = fields.string("model_type"); type != kModelType) {
      fail(ErrorKind::unsupported, fields.where(), "model_type '{}' is unknown; glimt runs {}", type, kModelType);
    }
    return std::string(kArchitectures[0]);
  }
  const json::array& names = fields.array("architectures");
  if (names.size() != 1 || !names[0].is_string()) {
    impossible(fields, "field 'architectures' must be an array of one string, got " + dump_json(names));
  }
  std::string name(names[0].get_string());
  if (std::find(std::begin(kArchitectures), std::end(kArchitectures), name) == std::end(kArchitectures)) {
    fail(ErrorKind::unsupported, fields.where(), "architecture '{}' is unknown; glimt runs {}", name,
         fmt::join(kArchitectures, ", "));
  }
  return name;
}

std::optional<YarnScaling> yarn_of(const JsonFields& rope) {
  const std::string type = rope.string_or("rope_type", rope.string_or("type", "default"));
  if (type == "default") return std::nullopt;
  if (type != "yarn")
    fail(ErrorKind::unsupported, rope.where(), "rope type '{}', glimt has 'default' and 'yarn'", type);
  YarnScaling yarn;
  yarn.factor = rope.number("factor", 1, 1e6);
  yarn.original_max_position_embeddings = rope.number("original_max_position_embeddings", 1, 1e9);
  yarn.beta_fast = rope.number_or("beta_fast", yarn.beta_fast, 1e-3, 1e6);
  yarn.beta_slow = rope.number_or("beta_slow", yarn.beta_slow, 1e-3, 1e6);
  yarn.mscale = rope.number_or("mscale", yarn.mscale, 0, 100);
  yarn.mscale_all_dim = rope.number_or("mscale_all_dim", yarn.mscale_all_dim, 0, 100);
  if (rope.has("attention_factor")) yarn.attention_factor = rope.number("attention_factor", 0, 100);
  yarn.truncate = rope.boolean_or("truncate", yarn.truncate);
  return yarn;
}

double rope_theta_of(const JsonFields& fields) { return fields.number("rope_theta", 1.0, 1e12); }

void require_whole_rotation(const JsonFields& fields) {
  const double partial = fields.number_or("partial_rotary_factor", 1.0, 0.0, 1.0);
  if (partial != 1.0) {
    fail(ErrorKind::unsupported, fields.where(), "field 'partial_rotary_factor' is {}, glimt has only 1", partial);
  }
}

// Older configs have rope_theta and rope_scaling at the top; transformers 5 has both inside rope_parameters, and
// partial_rotary_factor as well. Both spellings may be there; they must not contradict each other.
void read_rope(const JsonFields& fields, Config& config) {
  const std::string& where = fields.where();
  require_whole_rotation(fields);
  config.rope_interleave = fields.boolean_or("rope_interleave", true);
  std::optional<double> theta;
  if (fields.has("rope_theta")) theta = rope_theta_of(fields);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (!fields.has(name)) continue;
    const JsonFields rope(fields.object(name), where + ": " + name);
    require_whole_rotation(rope);
    if (rope.has("rope_theta")) theta = rope_theta_of(rope);
    const std::optional<YarnScaling> yarn = yarn_of(rope);
    if (yarn && config.rope_scaling && *yarn != *config.rope_scaling) {
      impossible(fields, "fields 'rope_scaling' and 'rope_parameters' describe two different scalings");
    }
    if (yarn) config.rope_scaling = yarn;
  }
  config.rope_theta = theta ? *theta : rope_theta_of(fields);
}

void read_layer_types(const JsonFields& fields, Config& config) {
  const auto layers = static_cast<std::size_t>(config.num_hidden_layers);
  if (fields.has("mlp_layer_types")) {
    const json::array& types = fields.array("mlp_layer_types");
    if (types.size() != layers) {
      impossible(fields, fmt::format("field 'mlp_layer_types' must have {} entries, got {}", layers, types.size()));
    }
    for (const json::value& type : types) {
      if (type != "dense" && type != "sparse") {
        impossible(fields, "field 'mlp_layer_types' must hold \"dense\" and \"sparse\", got " + dump_json(type));
      }
      config.is_moe_layer.push_back(type == "sparse");
    }
    return;
  }
  const auto dense = static_cast<std::size_t>(fields.integer("first_k_dense_replace", 0, config.num_hidden_layers));
  if (fields.integer_or("moe_layer_freq", 1, 1, kMaxLayers) != 1) {
    fail(ErrorKind::unsupported, fields.where(), "field 'moe_layer_freq' must be 1");
  }
  config.is_moe_layer.assign(layers, true);
  for (std::size_t i = 0; i < dense; ++i) config.is_moe_layer[i] = false;
}

void read_moe(const JsonFields& fields, Config& config) {
  require(fields, "topk_method", "noaux_tc");
  require(fields, "scoring_func", "sigmoid");
  config.moe_intermediate_size = size_field(fields, "moe_intermediate_size");
  config.n_routed_experts = size_field(fields, "n_routed_experts", kMaxExperts);
  config.n_shared_experts = static_cast<int>(fields.integer_or("n_shared_experts", 0, 0, 64));
  config.num_experts_per_tok = size_field(fields, "num_experts_per_tok", kMaxExperts);
  config.n_group = static_cast<int>(fields.integer_or("n_group", 1, 1, kMaxExperts));
  config.topk_group = static_cast<int>(fields.integer_or("topk_group", 1, 1, kMaxExperts));
  config.norm_topk_prob = fields.boolean_or("norm_topk_prob", true);
  config.routed_scaling_factor = static_cast<float>(fields.number_or("routed_scaling_factor", 1.0, 0.0, 1e6));
  if (config.n_routed_experts % config.n_group != 0) {
    impossible(fields, fmt::format("field 'n_routed_experts' ({}) must be a multiple of 'n_group' ({})",
                                   config.n_routed_experts, config.n_group));
  }
  if (config.topk_group > config.n_group) {
    impossible(fields, fmt::format("field 'topk_group' ({}) must not exceed 'n_group' ({})", config.topk_group,
                                   config.n_group));
  }
  const int reachable = config.n_routed_experts / config.n_group * config.topk_group;
  if (config.num_experts_per_tok > reachable) {
    impossible(fields,
               fmt::format("field 'num_experts_per_tok' ({}) must not exceed the {} experts that {} of {} groups hold",
                           config.num_experts_per_tok, reachable, config.topk_group, config.n_group));
  }
  if (config.n_group > 1 && config.n_routed_experts / config.n_group < 2) {
    impossible(fields, "a group of experts must hold at least 2");
  }
}

std::optional<Quantization> quantization_of(const JsonFields& fields, const Quantization& fallback) {
  Quantization q = fallback;
  const std::string mode = fields.string_or("mode", std::string(to_string(fallback.mode)));
  const std::optional<QuantMode> known = quant_mode_from(mode);
  if (!known)
    fail(ErrorKind::unsupported, fields.where(), "field 'mode' is '{}', glimt has affine, mxfp4, mxfp8, nvfp4", mode);
  q.mode = *known;
  q.bits = static_cast<int>(fields.integer_or("bits", fallback.bits, 1, 32));
  q.group_size = static_cast<int>(fields.integer_or("group_size", fallback.group_size, 1, 1024));
  if (!is_valid(q)) {
    fail(ErrorKind::unsupported, fields.where(), "no quantization of {} bits in groups of {} with mode '{}'", q.bits,
         q.group_size, mode);
  }
  return q;
}

QuantizationConfig read_quantization(const JsonFields& fields) {
  QuantizationConfig result;
  const char* name = fields.has("quantization") ? "quantization" : "quantization_config";
  if (!fields.has(name)) return result;
  const json::object& object = fields.object(name);
  const std::string where = fields.where() + ": " + name;
  const JsonFields inner(object, where);
  if (inner.has("quant_method")) {
    fail(ErrorKind::unsupported, where,
         "quant_method '{}' is not one of MLX's quantizations (affine, mxfp4, mxfp8, nvfp4): get the model unquantized "
         "or quantized by MLX",
         inner.string("quant_method"));
  }
  result.fallback = quantization_of(inner, Quantization{});
  for (const auto& [key, value] : object) {
    const std::string path(key);
    if (value.is_bool()) {
      result.overrides[path] = value.get_bool() ? result.fallback : std::nullopt;
    } else if (value.is_object()) {
      result.overrides[path] =
          quantization_of(JsonFields(value.get_object(), fmt::format("{}: {}", where, path)), *result.fallback);
    } else if (path.find('.') != std::string::npos) {
      fail(ErrorKind::bad_file, where, "field '{}' must be an object or a boolean, got {}", path, dump_json(value));
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> known_architectures() { return {std::begin(kArchitectures), std::end(kArchitectures)}; }

float Config::attention_scale() const {
  double scale = 1 / std::sqrt(static_cast<double>(qk_head_dim()));
  if (rope_scaling && rope_scaling->mscale_all_dim > 0) {
    const double s = yarn_mscale(rope_scaling->factor, rope_scaling->mscale_all_dim);
    scale *= s * s;
  }
  return static_cast<float>(scale);
}

Config Config::from_json(const json::object& object, const std::string& where) {
  const JsonFields fields(object, where);
  Config config;
  config.architecture = architecture_of(fields);
  require(fields, "hidden_act", "silu");
  config.hidden_size = size_field(fields, "hidden_size");
  config.num_hidden_layers = size_field(fields, "num_hidden_layers", kMaxLayers);
  config.vocab_size = size_field(fields, "vocab_size", kMaxVocabulary);
  config.max_position_embeddings = size_field(fields, "max_position_embeddings", kMaxContext);
  config.rms_norm_eps = static_cast<float>(fields.number("rms_norm_eps", 0.0, 1.0));
  config.tie_word_embeddings = fields.boolean_or("tie_word_embeddings", false);
  config.num_nextn_predict_layers = static_cast<int>(fields.integer_or("num_nextn_predict_layers", 0, 0, 1));

  config.num_attention_heads = size_field(fields, "num_attention_heads", kMaxHeads);
  if (fields.has("q_lora_rank")) config.q_lora_rank = size_field(fields, "q_lora_rank");
  config.kv_lora_rank = size_field(fields, "kv_lora_rank");
  config.qk_nope_head_dim = size_field(fields, "qk_nope_head_dim");
  config.qk_rope_head_dim = size_field(fields, "qk_rope_head_dim");
  config.v_head_dim = size_field(fields, "v_head_dim");
  config.attention_bias = fields.boolean_or("attention_bias", false);
  if (config.qk_rope_head_dim % 2 != 0) impossible(fields, "field 'qk_rope_head_dim' must be even");
  constexpr std::int64_t kMaxWidth = std::int64_t{1} << 28;  // of all heads together; keeps shapes within 32 bits
  if (std::int64_t{config.num_attention_heads} *
          (std::int64_t{config.qk_nope_head_dim} + config.qk_rope_head_dim + config.v_head_dim) >
      kMaxWidth) {
    impossible(fields, "num_attention_heads times the head sizes is absurdly large");
  }
  read_rope(fields, config);

  config.intermediate_size = size_field(fields, "intermediate_size");
  read_layer_types(fields, config);
  read_moe(fields, config);
  config.dtype = fields.string_or("torch_dtype", fields.string_or("dtype", ""));
  config.eos_token_id = eos_token_ids(object, config.vocab_size, where);
  config.quantization = read_quantization(fields);
  return config;
}

json::object Config::read(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "config.json";
  json::value value = parse_json_file(path);
  if (!value.is_object()) fail(ErrorKind::bad_file, path.string(), "must hold a JSON object");
  return std::move(value.get_object());
}

Config Config::from_folder(const std::filesystem::path& folder) {
  return from_json(read(folder), (folder / "config.json").string());
}

std::vector<TokenId> eos_token_ids(const json::object& object, int vocab_size, const std::string& where) {
  std::vector<TokenId> ids;
  const json::value* value = object.if_contains("eos_token_id");
  if (value == nullptr || value->is_null()) return ids;
  const json::array list = value->is_array() ? value->get_array() : json::array{*value};
  for (const json::value& id : list) {
    if (!id.is_int64() || id.get_int64() < 0 || id.get_int64() >= vocab_size) {
      fail(ErrorKind::bad_file, where, "field 'eos_token_id' must hold token ids below vocab_size {}, got {}",
           vocab_size, dump_json(*value));
    }
    ids.push_back(static_cast<TokenId>(id.get_int64()));
  }
  return ids;
}

}  // namespace glimt
