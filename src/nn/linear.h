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

}  // namespace glimt
