// config.json of a GLM4-MoE-Lite checkpoint. Field names are those of the file.
#pragma once

#include "base/json.h"
#include "base/token.h"
#include "checkpoint/yarn.h"
#include "kernels/quantization.h"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// What the file says about quantization: a default, and tensor paths (without ".weight") that differ from it.
struct QuantizationConfig {
  std::optional<Quantization> fallback;
  std::map<std::string, std::optional<Quantization>> overrides;  // nullopt: `false`, not quantized
};

// Names that config.json's "architectures" may have.
std::vector<std::string> known_architectures();

struct Config {
  std::string architecture;  // one that glimt runs; a config that has only a model_type gets the usual name

  int hidden_size = 0;
  int num_hidden_layers = 0;
  int vocab_size = 0;
  int max_position_embeddings = 0;
  float rms_norm_eps = 0;
  bool tie_word_embeddings = false;
  int num_nextn_predict_layers = 0;

  // Attention.
  int num_attention_heads = 0;
  std::optional<int> q_lora_rank;  // absent: q_proj instead of q_a_proj and q_b_proj
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  bool attention_bias = false;
  double rope_theta = 0;
  bool rope_interleave = true;
  std::optional<YarnScaling> rope_scaling;
  bool round_rope_frequencies = false;  // not of the file: LoadOptions::round_rope_frequencies

  // Feed-forward.
  int intermediate_size = 0;
  int moe_intermediate_size = 0;
  std::vector<bool> is_moe_layer;  // [num_hidden_layers], from first_k_dense_replace or mlp_layer_types
  int n_routed_experts = 0;
  int n_shared_experts = 0;
  int num_experts_per_tok = 0;
  int n_group = 1;
  int topk_group = 1;
  bool norm_topk_prob = true;
  float routed_scaling_factor = 1;

  std::string dtype;  // "bfloat16", "float32", … as the file says (torch_dtype or dtype), may be empty
  std::vector<TokenId> eos_token_id;
  QuantizationConfig quantization;

  int qk_head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  int cache_width() const { return kv_lora_rank + qk_rope_head_dim; }

  // 1 / sqrt(qk_head_dim), times YaRN's mscale_all_dim factor squared.
  float attention_scale() const;

  // Every field is checked: present, of the right type, within bounds, possible together with the others. Throws
  // bad_file (unsupported for what glimt does not do) with "where: field 'x' must be …, got …".
  static Config from_json(const json::object& object, const std::string& where);
  static Config from_folder(const std::filesystem::path& folder);

  // The content of a folder's config.json. Throws not_found, or bad_file if it is not an object.
  static json::object read(const std::filesystem::path& folder);
};

// Field eos_token_id of config.json or generation_config.json: a token id, an array of them, or nothing. Throws
// bad_file.
std::vector<TokenId> eos_token_ids(const json::object& object, int vocab_size, const std::string& where);

}  // namespace glimt
