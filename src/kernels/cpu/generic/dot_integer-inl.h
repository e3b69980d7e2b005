// Products of integer activations with 4- and 8-bit weights: which of the two ways is taken. The header of the
// instruction set defines vectors of kGroupLanes floats and integers, CodeBlock (one vector of a weight row's codes),
// sums of pairs, and the steps of a panel.
//
// A sum is computed in one order, whichever of the two ways below computes it, so that a token's result does not depend
// on how many others are computed with it:
//   group_sum[g] = sum of code * x over the columns of group g                             (integers: exact)
//   lane[l]      = over g = l, l + kGroupLanes, ...: fma(bias[g], x_sum[g]), then fma(group_sum[g], scale[g] * x_scale[g])
//   y            = the lanes added as a tree, neighbours first
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx2.h"
#endif
#include "kernels/cpu/generic/dot_panel-inl.h"
#include "kernels/cpu/generic/dot_short-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

template <int Bits, bool E2m1, bool Bf16, int Group, int C>
inline void stream_all(const IntegerWeights& w, int rows_w, const IntegerRows& x, float* const* y) {
  constexpr int GroupLanes = Group / CodeBlock<Bits, E2m1>::kLaneColumns;
  const int groups = w.columns / Group;
  int r = 0;
  if constexpr (Bf16) {
    if (repeats_soon(groups)) r = stream_short_rows<Bits, E2m1, Group, GroupLanes, C>(w, rows_w, x, y);
  }
  for (; r + kGroupLanes <= rows_w; r += kGroupLanes)
    stream_rows<Bits, E2m1, Bf16, GroupLanes, kGroupLanes, C>(w, rows_w, r, x, y);
  for (; r < rows_w; ++r) stream_rows<Bits, E2m1, Bf16, GroupLanes, 1, C>(w, rows_w, r, x, y);
}

template <int Bits, bool E2m1, bool Bf16, int Group>
inline void few_rows(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y) {
  static_assert(kFewRows == 4);
  if (rows_x == 1) return stream_all<Bits, E2m1, Bf16, Group, 1>(w, rows_w, x, y);
  if (rows_x == 2) return stream_all<Bits, E2m1, Bf16, Group, 2>(w, rows_w, x, y);
  if (rows_x == 3) return stream_all<Bits, E2m1, Bf16, Group, 3>(w, rows_w, x, y);
  stream_all<Bits, E2m1, Bf16, Group, 4>(w, rows_w, x, y);
}

template <int Bits, bool E2m1, bool Bf16, int Group>
inline void integer_product(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y,
                            void* scratch) {
  if (rows_x > kFewRows) return many_rows<Bits, E2m1, Bf16, Group>(w, rows_w, x, rows_x, y, scratch);
  few_rows<Bits, E2m1, Bf16, Group>(w, rows_w, x, rows_x, y);
}

template <int Bits, bool Bf16>
inline void affine_product(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y,
                           void* scratch) {
  if (w.group == 32) return integer_product<Bits, false, Bf16, 32>(w, rows_w, x, rows_x, y, scratch);
  if (w.group == 64) return integer_product<Bits, false, Bf16, 64>(w, rows_w, x, rows_x, y, scratch);
  integer_product<Bits, false, Bf16, 128>(w, rows_w, x, rows_x, y, scratch);
}

void dot_integer(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y,
                 void* scratch) {
  if (w.e2m1) {
    if (w.group == 16) return integer_product<4, true, false, 16>(w, rows_w, x, rows_x, y, scratch);
    return integer_product<4, true, false, 32>(w, rows_w, x, rows_x, y, scratch);
  }
  const bool bf16 = w.bf16_scales != nullptr;
  if (w.bits == 4)
    return bf16 ? affine_product<4, true>(w, rows_w, x, rows_x, y, scratch)
                : affine_product<4, false>(w, rows_w, x, rows_x, y, scratch);
  return bf16 ? affine_product<8, true>(w, rows_w, x, rows_x, y, scratch)
              : affine_product<8, false>(w, rows_w, x, rows_x, y, scratch);
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
