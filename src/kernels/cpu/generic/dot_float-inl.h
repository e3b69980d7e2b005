// Products of float rows.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

template <int MR, int NR, typename W>
void dot_tile(const float* const* x, const W* w, std::size_t stride, int k, float* const* y, int n0) {
  Vec sum[MR][NR] = {};
  const auto add = [&](auto&& fetch, int i) {
    Vec xv[MR];
    for (int m = 0; m < MR; ++m) xv[m] = fetch(x[m] + i);
    for (int n = 0; n < NR; ++n) {
      const Vec wv = fetch(w + static_cast<std::size_t>(n) * stride + i);
      for (int m = 0; m < MR; ++m) sum[m][n] += xv[m] * wv;
    }
  };
  int i = 0;
  for (; i + kLanes <= k; i += kLanes) add([](const auto* p) { return load(p); }, i);
  if (i < k) add([rest = k - i](const auto* p) { return load_tail(p, rest); }, i);
  for (int m = 0; m < MR; ++m) {
    for (int n = 0; n < NR; ++n) y[m][n0 + n] = sum_of(sum[m][n]);
  }
}

template <int MR, int NR, typename W>
void dot_strip(const float* const* x, const W* w, std::size_t stride, int rows_w, int k, float* const* y) {
  int n = 0;
  const auto at = [&](int row) { return w + static_cast<std::size_t>(row) * stride; };
  for (; n + NR <= rows_w; n += NR) dot_tile<MR, NR>(x, at(n), stride, k, y, n);
  for (; n < rows_w; ++n) dot_tile<MR, 1>(x, at(n), stride, k, y, n);
}

template <int NR, typename W>
void dot_all(const float* const* x, int rows_x, const W* w, std::size_t stride, int rows_w, int k, float* const* y) {
  int m = 0;
  for (; m + kTileX <= rows_x; m += kTileX) dot_strip<kTileX, NR>(x + m, w, stride, rows_w, k, y + m);
  for (; m < rows_x; ++m) dot_strip<1, NR>(x + m, w, stride, rows_w, k, y + m);
}

void dot(const float* const* x, int rows_x, const void* w, std::size_t stride, int rows_w, int k, float* const* y) {
  dot_all<kTileW>(x, rows_x, static_cast<const float*>(w), stride, rows_w, k, y);
}

// Two rows at a time: more would be too many streams from memory.
void dot_bf16(const float* const* x, int rows_x, const void* w, std::size_t stride, int rows_w, int k,
              float* const* y) {
  dot_all<2>(x, rows_x, static_cast<const std::uint16_t*>(w), stride, rows_w, k, y);
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
