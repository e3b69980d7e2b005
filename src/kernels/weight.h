// One weight matrix as the model files store it: plain or quantized, alone or stacked (heads, experts).
#pragma once

#include "kernels/quantization.h"

#include <mlx/array.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace glimt {

namespace mx = mlx::core;

// A row-major matrix [rows, columns], or a stack of `count` such matrices [count, rows, columns]; y = x · wᵀ.
// Quantized: `values` is uint32 [.., rows, columns * bits / 32], `scales` (and `biases` when affine)
// [.., rows, columns / group_size]; `global_scale` (nvfp4) is float32 of 1 value, `rows` values or `count` values.
// The arrays share their storage with their owner (usually a mapped file).
struct Weight {
  int count = 0;  // 0: a single matrix
  int rows = 0;
  int columns = 0;
  mx::array values;  // this and the next may lie at any address: only our kernels and aligned() read such ones
  std::optional<Quantization> quantization;
  std::optional<mx::array> scales;
  std::optional<mx::array> biases;
  std::optional<mx::array> global_scale;

  std::size_t nbytes() const;
};

using WeightPtr = std::shared_ptr<const Weight>;

// Single matrices of one form as one stack; a stack is returned as it is.
Weight stacked(const std::vector<Weight>& weights);

// The rows of `a`, then those of `b`, as one matrix (or stack of matrices); nothing where they are not stored alike.
// Evaluated.
std::optional<Weight> joined(const Weight& a, const Weight& b);

// The same weight for MLX's operations: arrays that do not begin at a multiple of their element's size are copied.
Weight aligned(const Weight& weight);

// The values as floats of `dtype`, [.., rows, columns].
mx::array dequantize(const Weight& weight, mx::Dtype dtype);

// `values` [.., rows, columns] quantized as MLX does it. Evaluated.
Weight quantize(const mx::array& values, const Quantization& quantization);

}  // namespace glimt
