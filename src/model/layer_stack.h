// Decoder layers that follow each other: all of a model's, or the part that one machine computes.
#pragma once

#include "model/decoder_layer.h"

#include <string>
#include <vector>

namespace glimt {

// The path of a layer's tensors; the MTP layer's is behind those of the trunk.
std::string layer_path(int index);

class LayerStack {
 public:
  // Layers first … first + count - 1 of the trunk, or a share of each.
  LayerStack(const Config& config, Weights& weights, int first, int count, const LayerShare& share = {});

  // x [N, hidden], the rows of the step's sequences -> the same shape; stores N rows in layers 0 … count - 1 of `pool`.
  // `observe` gets the names that CausalLm::forward gives.
  Residual forward(Residual x, LatentPool& pool, const kernels::StepPtr& step, const Observer& observe) const;

  int count() const { return static_cast<int>(layers_.size()); }

 private:
  int first_;
  std::vector<DecoderLayer> layers_;
};

}  // namespace glimt
