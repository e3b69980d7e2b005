// A golden checkpoint (tests/golden, float32, released layout) as llama.cpp's converter would write it: experts
// stacked, kv_b_proj in two halves, the names of its architecture deepseek2.
#pragma once

#include "base/json.h"
#include "checkpoint/config.h"
#include "checkpoint/gguf_bytes.h"
#include "checkpoint/golden_folder.h"
#include "checkpoint/half.h"
#include "checkpoint/safetensors.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

struct GgufSourceTensor {
  Shape shape;
  std::vector<float> values;
};

inline std::string f32_bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// As ggml quantizes, or near it: any code and scale will do for a test of what they mean.
inline std::string q8_0_bytes(const std::vector<float>& values) {
  std::string bytes;
  for (std::size_t at = 0; at < values.size(); at += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[at + i]));
    const std::uint16_t scale = f16_of_float(largest / 127);
    const float d = float_of_f16(scale);
    bytes += bytes_of(scale);
    for (std::size_t i = 0; i < 32; ++i) {
      bytes += static_cast<char>(d > 0 ? std::clamp(std::lround(values[at + i] / d), -128L, 127L) : 0);
    }
  }
  return bytes;
}

inline std::string q4_0_bytes(const std::vector<float>& values) {
  std::string bytes;
  for (std::size_t at = 0; at < values.size(); at += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[at + i]));
    const std::uint16_t scale = f16_of_float(largest / 7);
    const float d = float_of_f16(scale);
    const auto code = [&](std::size_t i) {
      return d > 0 ? std::clamp(std::lround(values[at + i] / d) + 8, 0L, 15L) : 8L;
    };
    bytes += bytes_of(scale);
    for (std::size_t i = 0; i < 16; ++i) bytes += static_cast<char>(code(i) | code(i + 16) << 4);
  }
  return bytes;
}

// With a code book, which MLX does not have.
inline std::string iq4_nl_bytes(const std::vector<float>& values) {
  constexpr float kBook[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  std::string bytes;
  for (std::size_t at = 0; at < values.size(); at += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::abs(values[at + i]));
    const std::uint16_t scale = f16_of_float(largest / 113);
    const float d = float_of_f16(scale);
    const auto code = [&](std::size_t i) {
      const auto nearer = [&](float a, float b) {
        return std::abs(a * d - values[at + i]) < std::abs(b * d - values[at + i]);
      };
      return std::min_element(std::begin(kBook), std::end(kBook), nearer) - std::begin(kBook);
    };
    bytes += bytes_of(scale);
    for (std::size_t i = 0; i < 16; ++i) bytes += static_cast<char>(code(i) | code(i + 16) << 4);
  }
  return bytes;
}

class GoldenGguf {
 public:
  // How a matrix is stored, and what is left out: nullopt.
  using Store =
      std::function<std::pair<GgufType, std::string>(const std::string& name, const GgufSourceTensor& tensor)>;

  explicit GoldenGguf(const std::string& name)
      : config_(Config::from_folder(golden_folder(name))), file_(golden_folder(name) / "model.safetensors") {}

  const Config& config() const { return config_; }

  // The metadata alone.
  GgufBytes metadata(bool with_gating = true) const {
    const Config& c = config_;
    const auto u = [](int value) { return static_cast<std::uint32_t>(value); };
    const bool mtp = has_mtp();
    GgufBytes gguf;
    gguf.set("general.architecture", "deepseek2")
        .set("deepseek2.block_count", u(c.num_hidden_layers + (mtp ? 1 : 0)))
        .set("deepseek2.context_length", u(c.max_position_embeddings))
        .set("deepseek2.embedding_length", u(c.hidden_size))
        .set("deepseek2.feed_forward_length", u(c.intermediate_size))
        .set("deepseek2.attention.head_count", u(c.num_attention_heads))
        .set("deepseek2.attention.head_count_kv", 1u)
        .set("deepseek2.attention.kv_lora_rank", u(c.kv_lora_rank))
        .set("deepseek2.attention.key_length", u(c.cache_width()))
        .set("deepseek2.attention.value_length", u(c.kv_lora_rank))
        .set("deepseek2.attention.key_length_mla", u(c.qk_head_dim()))
        .set("deepseek2.attention.value_length_mla", u(c.v_head_dim))
        .set("deepseek2.attention.layer_norm_rms_epsilon", c.rms_norm_eps)
        .set("deepseek2.rope.dimension_count", u(c.qk_rope_head_dim))
        .set("deepseek2.rope.freq_base", static_cast<float>(c.rope_theta))
        .set("deepseek2.expert_count", u(c.n_routed_experts))
        .set("deepseek2.expert_used_count", u(c.num_experts_per_tok))
        .set("deepseek2.expert_shared_count", u(c.n_shared_experts))
        .set("deepseek2.expert_feed_forward_length", u(c.moe_intermediate_size))
        .set("deepseek2.expert_weights_scale", c.routed_scaling_factor)
        .set("deepseek2.expert_weights_norm", c.norm_topk_prob)
        .set("deepseek2.leading_dense_block_count",
             u(static_cast<int>(std::count(c.is_moe_layer.begin(), c.is_moe_layer.end(), false))))
        .set("tokenizer.ggml.eos_token_id", u(c.eos_token_id.front()));
    if (c.q_lora_rank) gguf.set("deepseek2.attention.q_lora_rank", u(*c.q_lora_rank));
    if (mtp) gguf.set("deepseek2.nextn_predict_layers", 1u);
    if (with_gating) gguf.set("deepseek2.expert_gating_func", 2u);
    return gguf;
  }

  // All tensors; one-dimensional ones and the router are float32, as in every file.
  std::string build(const Store& store, const char* chat_template = nullptr) const {
    GgufBytes gguf = metadata();
    if (chat_template != nullptr) gguf.set("tokenizer.chat_template", chat_template);
    const auto add = [&](const std::string& name, const GgufSourceTensor& tensor) {
      const std::vector<std::uint64_t> shape(tensor.shape.begin(), tensor.shape.end());
      const bool plain = tensor.shape.size() == 1 || name.find("ffn_gate_inp") != std::string::npos;
      const auto [type, bytes] = plain ? std::pair(GgufType::f32, f32_bytes(tensor.values)) : store(name, tensor);
      gguf.tensor(name, shape, type, bytes);
    };
    add("token_embd.weight", read("model.embed_tokens.weight"));
    add("output_norm.weight", read("model.norm.weight"));
    if (!config_.tie_word_embeddings) add("output.weight", read("lm_head.weight"));
    for (int i = 0; i < config_.num_hidden_layers + (has_mtp() ? 1 : 0); ++i) add_layer(i, add);
    return gguf.build();
  }

 private:
  bool has_mtp() const { return file_.tensors().contains(path(config_.num_hidden_layers) + "eh_proj.weight"); }
  static std::string path(int layer) { return "model.layers." + std::to_string(layer) + "."; }

  GgufSourceTensor read(const std::string& name) const {
    const TensorInfo& info = file_.tensors().at(name);
    GgufSourceTensor tensor{info.shape, std::vector<float>(info.nbytes / sizeof(float))};
    std::memcpy(tensor.values.data(), file_.map()->data() + info.offset, info.nbytes);
    return tensor;
  }

  template <typename Add>
  void add_layer(int layer, const Add& add) const {
    const std::string from = path(layer), to = "blk." + std::to_string(layer) + ".";
    const auto copy = [&](const char* theirs, const char* ours) {
      if (file_.tensors().contains(from + theirs)) add(to + ours, read(from + theirs));
    };
    copy("input_layernorm.weight", "attn_norm.weight");
    copy("post_attention_layernorm.weight", "ffn_norm.weight");
    copy("self_attn.q_proj.weight", "attn_q.weight");
    copy("self_attn.q_a_proj.weight", "attn_q_a.weight");
    copy("self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight");
    copy("self_attn.q_b_proj.weight", "attn_q_b.weight");
    copy("self_attn.kv_a_proj_with_mqa.weight", "attn_kv_a_mqa.weight");
    copy("self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight");
    copy("self_attn.o_proj.weight", "attn_output.weight");
    copy("mlp.gate_proj.weight", "ffn_gate.weight");
    copy("mlp.up_proj.weight", "ffn_up.weight");
    copy("mlp.down_proj.weight", "ffn_down.weight");
    copy("mlp.gate.weight", "ffn_gate_inp.weight");
    copy("mlp.gate.e_score_correction_bias", "exp_probs_b.bias");
    copy("mlp.shared_experts.gate_proj.weight", "ffn_gate_shexp.weight");
    copy("mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight");
    copy("mlp.shared_experts.down_proj.weight", "ffn_down_shexp.weight");
    copy("eh_proj.weight", "nextn.eh_proj.weight");
    copy("enorm.weight", "nextn.enorm.weight");
    copy("hnorm.weight", "nextn.hnorm.weight");
    copy("embed_tokens.weight", "nextn.embed_tokens.weight");
    copy("shared_head.norm.weight", "nextn.shared_head_norm.weight");
    copy("shared_head.head.weight", "nextn.shared_head_head.weight");
    add_heads(from + "self_attn.kv_b_proj.weight", to, add);
    for (const char* projection : {"gate", "up", "down"}) {
      if (file_.tensors().contains(from + "mlp.experts.0.gate_proj.weight")) {
        add(to + "ffn_" + projection + "_exps.weight", experts(from, projection));
      }
    }
  }

  // The rows of a head are those of its keys, then of its values; the keys' half is transposed.
  template <typename Add>
  void add_heads(const std::string& joined, const std::string& to, const Add& add) const {
    const int heads = config_.num_attention_heads, keys = config_.qk_nope_head_dim, values = config_.v_head_dim,
              latent = config_.kv_lora_rank;
    const GgufSourceTensor kv_b = read(joined);
    GgufSourceTensor k{{heads, latent, keys}, {}}, v{{heads, values, latent}, {}};
    for (int head = 0; head < heads; ++head) {
      const float* rows =
          &kv_b.values[static_cast<std::size_t>(head) * static_cast<std::size_t>((keys + values) * latent)];
      for (int l = 0; l < latent; ++l) {
        for (int key = 0; key < keys; ++key) k.values.push_back(rows[key * latent + l]);
      }
      v.values.insert(v.values.end(), rows + keys * latent, rows + (keys + values) * latent);
    }
    add(to + "attn_k_b.weight", k);
    add(to + "attn_v_b.weight", v);
  }

  GgufSourceTensor experts(const std::string& from, const std::string& projection) const {
    GgufSourceTensor all;
    for (int e = 0; e < config_.n_routed_experts; ++e) {
      const GgufSourceTensor one = read(fmt::format("{}mlp.experts.{}.{}_proj.weight", from, e, projection));
      all.shape = {config_.n_routed_experts, one.shape[0], one.shape[1]};
      all.values.insert(all.values.end(), one.values.begin(), one.values.end());
    }
    return all;
  }

  Config config_;
  SafetensorsFile file_;
};

}  // namespace glimt
