// The small layers of a decoder.
#pragma once

#include "nn/linear.h"

namespace glimt {

// x / sqrt(mean(x²) + eps) · weight over the last axis, computed in float32.
class RmsNorm {
 public:
  RmsNorm(const mx::array& weight, float eps);
  mx::array operator()(const mx::array& x) const { return kernels::rms_norm(x, weight_, eps_); }
  kernels::SumAndNorm of_sum(const mx::array& x, const mx::array& y) const {
    return kernels::add_rms_norm(x, y, weight_, eps_);
  }
  const mx::array& weight() const { return weight_; }
  float eps() const { return eps_; }

 private:
  mx::array weight_;  // float32
  float eps_;
};

// ids [B, L] -> rows [B, L, hidden] of the table, as `dtype`. The table may be quantized; only the rows asked for are read.
class Embedding {
 public:
  explicit Embedding(WeightPtr table) : table_(std::move(table)) {}
  mx::array operator()(const mx::array& ids, mx::Dtype dtype) const { return kernels::embedding(ids, table_, dtype); }
  const WeightPtr& table() const { return table_; }

 private:
  WeightPtr table_;
};

// down(silu(gate x) · up x)
class SwiGluMlp {
 public:
  explicit SwiGluMlp(std::shared_ptr<const kernels::SwiGluWeights> weights) : weights_(std::move(weights)) {}
  mx::array operator()(const mx::array& x) const { return kernels::swiglu(x, weights_); }

 private:
  std::shared_ptr<const kernels::SwiGluWeights> weights_;
};

}  // namespace glimt
