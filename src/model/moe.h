// The mixture-of-experts block: gate, routed experts, shared experts.
#pragma once

#include "checkpoint/config.h"
#include "model/causal_lm.h"
#include "model/weights.h"
#include "nn/layers.h"

#include <memory>
#include <string>
#include <vector>

namespace glimt {

// Picks experts by sigmoid scores plus a correction bias that steers the choice but not the weights
// (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.1.2). All in float32.
class MoeGate {
 public:
  MoeGate(const Config& config, Weights& weights, const std::string& path);

  kernels::Routing forward(const mx::array& x) const;  // x [T, hidden] -> indices, scores [T, k]

 private:
  kernels::Device device_;
  Linear weight_;                                // [experts, hidden]
  kernels::RouterBias e_score_correction_bias_;  // [experts]
  kernels::RouterOptions options_;
};

class MoeBlock {
 public:
  MoeBlock(const Config& config, Weights& weights, const std::string& path);

  // x [T, hidden] -> the same shape. `observe` gets "gate.inds" and "gate.scores" [T, k].
  mx::array forward(const mx::array& x, const Observer& observe) const;

 private:
  kernels::Device device_;
  MoeGate gate_;
  kernels::ExpertsPtr experts_;  // routed and shared
};

// The projection of all experts of the block `path`: one stack, or a matrix an expert where the files have them so and the
// device takes them.
std::vector<Weight> take_experts(Weights& weights, const std::string& path, const std::string& projection, int count,
                                 int rows, int columns);

// `path`.{gate,up,down}_proj as one SwiGLU.
kernels::SwiGluWeights take_swiglu(Weights& weights, const std::string& path, int hidden, int intermediate);

}  // namespace glimt
