// Multi-head latent attention (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
#pragma once

#include "checkpoint/config.h"
#include "model/weights.h"
#include "nn/layers.h"

#include <memory>
#include <optional>

namespace glimt {

class MlaAttention {
 public:
  MlaAttention(const Config& config, Weights& weights, const std::string& path);

  // x [N, hidden], the rows of the step's sequences -> [N, hidden]; stores N rows in the layer's cache.
  mx::array forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step) const;

 private:
  kernels::Device device_;
  std::optional<Linear> q_proj_, q_a_proj_, q_b_proj_;  // q_proj_, or the other two
  std::optional<RmsNorm> q_a_layernorm_;
  Linear kv_a_proj_;
  kernels::MlaPtr heads_;  // kv_a_layernorm and both halves of kv_b_proj
  Linear o_proj_;
};

}  // namespace glimt
