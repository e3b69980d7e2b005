// Linear layers over plain or quantized weights. A layer is complete when it is built, for one device; calls build
// graph nodes.
#pragma once

#include "kernels/kernels.h"

#include <memory>
#include <optional>
#include <utility>

namespace glimt {

// y = x · wᵀ + bias, for x [.., columns].
class Linear {
 public:
  Linear(kernels::Device device, WeightPtr weight, std::optional<mx::array> bias = std::nullopt)
      : device_(std::move(device)), weight_(std::move(weight)), bias_(std::move(bias)) {}

  mx::array operator()(const mx::array& x) const;

  // Of two layers with the same input, computed together.
  static std::pair<mx::array, mx::array> both(const Linear& a, const Linear& b, const mx::array& x);

  const Weight& weight() const { return *weight_; }
  const WeightPtr& shared_weight() const { return weight_; }

 private:
  mx::array with_bias(const mx::array& y) const;

  kernels::Device device_;
  WeightPtr weight_;
  std::optional<mx::array> bias_;
};

}  // namespace glimt
