// Products of integer activations with 4- and 8-bit weights in plain C++: the definition, and what runs where no
// intrinsics are written.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif
#include "kernels/cpu/generic/quantize-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr bool kReadsBf16Scales = false;
constexpr int kTileRows = 0;
constexpr void (*interleave_rows)(const void* const*, int, std::size_t, void*) = nullptr;

inline int weight_code(const IntegerWeights& w, const unsigned char* row, int column) {
  if (w.bits == 8) return row[column];
  const unsigned char byte = row[column / 2];
  const int code = column % 2 == 0 ? byte & 15 : byte >> 4;
  return w.e2m1 ? kE2m1Shifted[code] : code;
}

void dot_integer(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y, void*) {
  const int groups = w.columns / w.group;
  for (int n = 0; n < rows_w; ++n) {
    const auto row = static_cast<std::size_t>(n);
    const unsigned char* codes = w.values + row * w.row_bytes;
    const float* scales = w.scales + row * w.group_stride;
    const float* biases = w.biases + row * w.group_stride;
    for (int m = 0; m < rows_x; ++m) {
      const auto token = static_cast<std::size_t>(m);
      const std::int8_t* values = x.values + token * x.stride;
      float sum = 0.0f, bias = 0.0f;
      for (int g = 0; g < groups; ++g) {
        int dot = 0;
        for (int i = g * w.group; i < (g + 1) * w.group; ++i) {
          dot += weight_code(w, codes, i) * values[block_position(i, w.bits == 4)];
        }
        sum += static_cast<float>(dot) * (scales[g] * x.scales[token * x.group_stride + static_cast<std::size_t>(g)]);
        bias += biases[g] * x.sums[token * x.group_stride + static_cast<std::size_t>(g)];
      }
      y[m][n] = sum + bias;
    }
  }
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
