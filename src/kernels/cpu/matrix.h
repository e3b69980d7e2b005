// How a weight matrix lies in memory, described without MLX: what the CPU kernels read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glimt::cpu {

enum class Format : std::uint8_t {
  f32,
  f16,
  bf16,
  affine,  // `bits` per value, w = q * scale + bias, one scale and bias a group
  mxfp4,   // e2m1 values, group 32, e8m0 scales
  mxfp8,   // e4m3 values, group 32, e8m0 scales
  nvfp4,   // e2m1 values, group 16, e4m3 scales
};

// A row-major [rows, columns] matrix in MLX's layout: quantized values are packed into 32-bit words as one
// little-endian bit stream a row, lowest bits first. Pointers may have any alignment; nothing is owned.
struct MatrixView {
  Format format = Format::f32;
  int bits = 32;                      // of one value
  int group_size = 0;                 // columns that share a scale; 0 if not quantized
  Format scale_format = Format::f32;  // of `scales` and `biases` when affine: f32, f16 or bf16
  int rows = 0;
  int columns = 0;
  const void* values = nullptr;
  const void* scales = nullptr;         // [rows, columns / group_size]
  const void* biases = nullptr;         // affine only, same shape
  const float* global_scale = nullptr;  // multiplies every value; null is 1
  bool global_scale_per_row = false;    // global_scale is [rows] instead of [1]

  std::size_t row_bytes() const { return static_cast<std::size_t>(columns) * static_cast<std::size_t>(bits) / 8; }
};

}  // namespace glimt::cpu
