// The mixture-of-experts block: gate, routed experts, shared experts.
#pragma once

#include "checkpoint/config.h"
#include "model/causal_lm.h"
#include "model/layer_share.h"
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
  MoeBlock(const Config& config, Weights& weights, const std::string& path, const LayerShare& share = {});

  // x [T, hidden] -> the same shape, of which this is the share's part. `observe` gets "gate.inds" and "gate.scores" [T, k].
  mx::array forward(const mx::array& x, const Observer& observe) const;

 private:
  kernels::Device device_;
  MoeGate gate_;
  kernels::ExpertsPtr experts_;  // routed and shared
};

// The projection of all experts of the block `path`: one stack, or a matrix an expert where the files have them so and the
// device takes them. A cut is one of each expert's matrix.
std::vector<Weight> take_experts(Weights& weights, const std::string& path, const std::string& projection, int count,
                                 int rows, int columns, const MatrixPart& cut = {});

// `path`.{gate,up,down}_proj as one SwiGLU, or a share of its intermediate values. Throws what LayerShare::of throws.
kernels::SwiGluWeights take_swiglu(Weights& weights, const std::string& path, int hidden, int intermediate,
                                   const LayerShare& share = {});

// The intermediate values that belong to a share: whole groups of the down projections' columns. Throw what
// LayerShare::of and Weights::group_size throw.
Stretch swiglu_columns(const Weights& weights, const std::string& path, int hidden, int intermediate,
                       const LayerShare& share);
Stretch expert_columns(const Config& config, const Weights& weights, const std::string& path, const LayerShare& share);

}  // namespace glimt
