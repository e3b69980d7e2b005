// The small layers of a decoder.
#pragma once

#include "nn/linear.h"

namespace glimt {

// x / sqrt(mean(x²) + eps) · weight over the last axis, computed in float32.
class RmsNorm {
 public:
  RmsNorm(kernels::Device device, const mx::array& weight, float eps);
  mx::array operator()(const mx::array& x) const { return kernels::rms_norm(device_, x, weight_, eps_); }
  kernels::SumAndNorm of_sum(const mx::array& x, const mx::array& y) const {
    return kernels::add_rms_norm(device_, x, y, weight_, eps_);
  }
  const mx::array& weight() const { return weight_; }
  float eps() const { return eps_; }

 private:
  kernels::Device device_;
  mx::array weight_;  // in the activations' dtype
  float eps_;
};

// ids [B, L] -> rows [B, L, hidden] of the table, as `dtype`. The table may be quantized; only the rows asked for are
// read.
class Embedding {
 public:
  Embedding(kernels::Device device, WeightPtr table) : device_(std::move(device)), table_(std::move(table)) {}
  mx::array operator()(const mx::array& ids, mx::Dtype dtype) const {
    return kernels::embedding(device_, ids, table_, dtype);
  }
  const WeightPtr& table() const { return table_; }

 private:
  kernels::Device device_;
  WeightPtr table_;
};

// down(silu(gate x) · up x)
class SwiGluMlp {
 public:
  SwiGluMlp(kernels::Device device, kernels::SwiGluPtr weights)
      : device_(std::move(device)), weights_(std::move(weights)) {}
  mx::array operator()(const mx::array& x) const { return kernels::swiglu(device_, x, weights_); }

 private:
  kernels::Device device_;
  kernels::SwiGluPtr weights_;
};

}  // namespace glimt
