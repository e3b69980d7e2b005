// Linear layers over plain or quantized weights. A layer is complete when it is built; calls build graph nodes.
#pragma once

#include "kernels/kernels.h"

#include <memory>
#include <optional>
#include <utility>

namespace glimt {

using WeightPtr = std::shared_ptr<const Weight>;

// y = x · wᵀ + bias, for x [.., columns].
class Linear {
 public:
  explicit Linear(WeightPtr weight, std::optional<mx::array> bias = std::nullopt)
      : weight_(std::move(weight)), bias_(std::move(bias)) {}

  mx::array operator()(const mx::array& x) const;

  // Of two layers with the same input, computed together.
  static std::pair<mx::array, mx::array> both(const Linear& a, const Linear& b, const mx::array& x);

  const Weight& weight() const { return *weight_; }
  const WeightPtr& shared_weight() const { return weight_; }

 private:
  mx::array with_bias(const mx::array& y) const;

  WeightPtr weight_;
  std::optional<mx::array> bias_;
};

}  // namespace glimt
