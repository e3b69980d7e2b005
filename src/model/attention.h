// Multi-head latent attention (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
#pragma once

#include "checkpoint/config.h"
#include "model/layer_share.h"
#include "model/weights.h"
#include "nn/layers.h"

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace glimt {

// Sees what a matrix is multiplied with: its path within the layer under mlx-lm's name ("self_attn.q_b_proj"), which one
// of a stack (of experts, of heads; else 0), and rows [n, columns], which may be no rows.
using InputObserver = std::function<void(std::string_view matrix, int index, const mx::array& rows)>;

class MlaAttention {
 public:
  MlaAttention(const Config& config, Weights& weights, const std::string& path, const LayerShare& share = {});

  // The heads that belong to a share: as many columns of o_proj are whole groups of it. Throws what LayerShare::of and
  // Weights::group_size throw.
  static Stretch heads_of(const Config& config, const Weights& weights, const std::string& path,
                          const LayerShare& share);

  // x [N, hidden], the rows of the step's sequences -> [N, hidden], of which this is the share's part; stores N rows in
  // the layer's cache.
  mx::array forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                    const InputObserver& see = {}) const;

 private:
  MlaAttention(const Config& config, Weights& weights, const std::string& path, const LayerShare& share, Stretch heads);
  mx::array mixed_latents(const mx::array& q, const mx::array& kv, kernels::PagedRows& rows,
                          const kernels::StepPtr& step) const;
  void show_heads(const mx::array& q, const mx::array& mixed, const InputObserver& see) const;

  kernels::Device device_;
  std::optional<Linear> q_proj_, q_a_proj_, q_b_proj_;  // q_proj_, or the other two
  std::optional<RmsNorm> q_a_layernorm_;
  Linear kv_a_proj_;
  kernels::MlaPtr heads_;  // kv_a_layernorm and both halves of kv_b_proj
  Linear o_proj_;
};

}  // namespace glimt
