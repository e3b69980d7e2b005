// Integer products of weight rows shorter than a chunk of dot_stream-inl.h whose scales lie one after the other: the
// rows' groups as one stream, chunk after chunk, each with the activations it meets.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx2.h"
#endif
#include "kernels/cpu/generic/dot_stream-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

// `count` groups of activation rows, again from group 0 on behind the row's last one.
template <int Bits, int Group, int C>
struct RepeatedX {
  static constexpr int kMostGroups = 4 * kGroupLanes;
  alignas(64) std::int8_t values[C][kMostGroups * Group];
  alignas(64) float scales[C][kMostGroups], sums[C][kMostGroups];

  RepeatedX(const IntegerRows& x, int groups, int count) {
    constexpr int kRun = Bits == 8 ? Group : Group / 2;  // a group's columns, or the even and the odd ones
    for (int j = 0; j < C; ++j) {
      const IntegerRows row = x.from(static_cast<std::size_t>(j));
      for (int i = 0, g = 0; i < count; ++i, g = g + 1 == groups ? 0 : g + 1) {
        const std::int8_t* in = row.values + columns_at<Bits>(g * Group);
        std::int8_t* out = values[j] + columns_at<Bits>(i * Group);
        __builtin_memcpy(out, in, kRun);
        if constexpr (Bits == 4) __builtin_memcpy(out + kBlockColumns / 2, in + kBlockColumns / 2, kRun);
        scales[j][i] = row.scales[g];
        sums[j][i] = row.sums[g];
      }
    }
  }

  ChunkOfX<C> chunk(int c) const {
    ChunkOfX<C> at;
    for (int j = 0; j < C; ++j) {
      at.values[j] = values[j] + c * kGroupLanes * Group;
      at.scales[j] = scales[j] + c * kGroupLanes;
      at.sums[j] = sums[j] + c * kGroupLanes;
    }
    return at;
  }
};

constexpr int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

// Rows of fewer than kGroupLanes groups, which meet the same activations again after few chunks.
constexpr bool repeats_soon(int groups) {
  return groups < kGroupLanes && groups / common_divisor(groups, kGroupLanes) <= 4;
}

// kGroupLanes rows at a time: as many chunks as a row has groups, each lane of which is a lane of a row. Returns the
// row after the last.
template <int Bits, bool E2m1, int Group, int GroupLanes, int C>
inline int stream_short_rows(const IntegerWeights& w, int rows_w, const IntegerRows& x, float* const* y) {
  const int groups = w.columns / Group, period = groups / common_divisor(groups, kGroupLanes);
  const RepeatedX<Bits, Group, C> repeated(x, groups, period * kGroupLanes);
  ChunkOfW<true> of_w(w, 0);
  int r = 0;
  for (; r + kGroupLanes <= rows_w; r += kGroupLanes) {
    alignas(64) float of_groups[C][kGroupLanes * kGroupLanes];
    for (int c = 0, phase = 0; c < groups; ++c, phase = phase + 1 == period ? 0 : phase + 1) {
      Floats lanes[C] = {};
      add_chunk<Bits, E2m1, true, GroupLanes, GroupLanes, true, C>(of_w, repeated.chunk(phase), kGroupLanes, lanes);
      of_w.next(GroupLanes * CodeBlock<Bits, E2m1>::kBytes);
      for (int j = 0; j < C; ++j) store_floats(of_groups[j] + c * kGroupLanes, lanes[j], kGroupLanes);
    }
    for (int j = 0; j < C; ++j) {
      Floats rows[kGroupLanes];
      for (int i = 0; i < kGroupLanes; ++i) rows[i] = load_first(of_groups[j] + i * groups, groups);
      store_floats(y[j] + r, total_all(rows), kGroupLanes);
    }
  }
  return r;
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
