// Linear layers over plain or quantized weights. A layer is complete when it is built; calls build graph nodes.
#pragma once

#include "kernels/kernels.h"

#include <memory>
#include <optional>

namespace glimt {

using WeightPtr = std::shared_ptr<const Weight>;

// y = x · wᵀ + bias, for x [.., columns].
class Linear {
 public:
  explicit Linear(WeightPtr weight, std::optional<mx::array> bias = std::nullopt)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  mx::array operator()(const mx::array& x) const;

  const Weight& weight() const { return *weight_; }
  const WeightPtr& shared_weight() const { return weight_; }

 private:
  WeightPtr weight_;
  std::optional<mx::array> bias_;
};

// One matrix a head: x [B, H, L, columns] -> [B, H, L, rows].
class MultiLinear {
 public:
  explicit MultiLinear(WeightPtr weight) : weight_(std::move(weight)) {}

  mx::array operator()(const mx::array& x) const { return kernels::head_linear(x, weight_); }

  // The other way through the same matrices: x [B, 1 or H, L, rows] -> [B, H, L, columns].
  mx::array transposed(const mx::array& x) const { return kernels::head_linear_transposed(x, weight_); }

  const Weight& weight() const { return *weight_; }

 private:
  WeightPtr weight_;
};

}  // namespace glimt
