// The small layers of a decoder.
#pragma once

#include "nn/linear.h"

namespace glimt {

// x / sqrt(mean(x²) + eps) · weight over the last axis, computed in float32.
class RmsNorm {
 public:
  RmsNorm(mx::array weight, float eps) : weight_(std::move(weight)), eps_(eps) {}
  mx::array operator()(const mx::array& x) const;

 private:
  mx::array weight_;
  float eps_;
};

// ids [B, L] -> rows [B, L, hidden] of the table, as `dtype`. The table may be quantized; only the rows asked for are read.
class Embedding {
 public:
  explicit Embedding(WeightPtr table) : table_(std::move(table)) {}
  mx::array operator()(const mx::array& ids, mx::Dtype dtype) const;
  const WeightPtr& table() const { return table_; }

 private:
  WeightPtr table_;
};

// down(silu(gate x) · up x)
class SwiGluMlp {
 public:
  SwiGluMlp(Linear gate, Linear up, Linear down) : gate_(std::move(gate)), up_(std::move(up)), down_(std::move(down)) {}
  mx::array operator()(const mx::array& x) const { return down_(kernels::silu_multiply(gate_(x), up_(x))); }

 private:
  Linear gate_, up_, down_;
};

}  // namespace glimt
