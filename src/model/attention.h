// Multi-head latent attention (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
#pragma once

#include "cache/latent_cache.h"
#include "model/config.h"
#include "model/weights.h"
#include "nn/layers.h"
#include "nn/rope.h"

#include <optional>
#include <utility>

namespace glimt {

// The two ways through kv_b_proj. They compute the same. `automatic`: absorbed on our kernels, where a position then gets
// the same bits in every chunk; the cheaper one on other backends.
enum class AttentionForm {
  automatic,
  absorbed,  // queries move into latent space: no work a key, more work a (query, key) pair
  expanded,  // keys and values of all heads are made from the latents first
};

class MlaAttention {
 public:
  MlaAttention(const Config& config, Weights& weights, const std::string& path);

  // x [B, L, hidden] -> [B, L, hidden]; appends L rows to the cache.
  mx::array forward(const mx::array& x, LatentCache& cache) const;

  // For tests and measurements: all layers of the process.
  static void set_form(AttentionForm form);

 private:
  struct Queries {
    mx::array nope;  // [B, H, L, qk_nope_head_dim]
    mx::array pe;    // [B, H, L, qk_rope_head_dim], rotated
  };
  Queries queries(const mx::array& x, int offset) const;
  mx::array latent_rows(const mx::array& x, int offset) const;        // [B, L, kv_lora_rank + rope]
  mx::array absorbed(const Queries& q, const mx::array& rows) const;  // [B, H, L, v_head_dim]
  mx::array expanded(const Queries& q, const mx::array& rows) const;  // the same
  bool expand_pays(int queries, int keys) const;

  int heads_, nope_, rope_dim_, v_, kv_lora_;
  float scale_;
  Rope rope_;
  std::optional<Linear> q_proj_, q_a_proj_, q_b_proj_;  // q_proj_, or the other two
  std::optional<RmsNorm> q_a_layernorm_;
  Linear kv_a_proj_;
  RmsNorm kv_a_layernorm_;
  std::pair<MultiLinear, MultiLinear> kv_b_;  // embed_q [H, kv_lora, nope], unembed_out [H, v, kv_lora]
  Linear o_proj_;
};

}  // namespace glimt
