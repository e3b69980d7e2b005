// A row of activations to 8-bit integers, in groups.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif
#include "kernels/cpu/generic/decode-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

template <int First, int... I>
inline IntVec every_second(IntVec a, IntVec b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (2 * I + First)...);
}

inline int block_position(int column, bool interleave) {  // where quantize_row puts a column
  if (!interleave) return column;
  const int block = column / kBlockColumns * kBlockColumns, inside = column % kBlockColumns;
  return block + (inside % 2) * (kBlockColumns / 2) + inside / 2;
}

void quantize_row(const float* x, int columns, int group, bool interleave, std::int8_t* values, float* scales,
                  float* sums) {
  const std::size_t padded = padded_columns(columns, group);
  for (std::size_t i = static_cast<std::size_t>(columns) / kBlockColumns * kBlockColumns; i < padded; ++i)
    values[i] = 0;
  const int groups = columns / group;
  for (int g = 0; g < groups; ++g) {
    const float* in = x + g * group;
    Vec largest_of = {}, finite = {};
    for (int i = 0; i < group; i += kLanes) {
      const Vec v = load(in + i), magnitude = v < 0.0f ? -v : v;
      largest_of = magnitude > largest_of ? magnitude : largest_of;
      finite += v * 0.0f;  // NaN as soon as one value is infinite or NaN
    }
    const float largest = reduce(largest_of, [](Vec a, Vec b) { return a > b ? a : b; });
    if (sum_of(finite) != 0.0f) {
      scales[g] = sums[g] = from_bits(0x7fc00000);
      for (int i = 0; i < group; ++i) values[block_position(g * group + i, interleave)] = 0;
      continue;
    }
    // Below 127 / FLT_MAX (3.7e-37) the inverse would be infinite: such a group is zero.
    const bool zero_group = largest < 0x1p-120f;
    const float scale = zero_group ? 0.0f : largest / 127.0f;
    const float inverse = zero_group ? 0.0f : 127.0f / largest;
    IntVec sums_of = {};
    const auto rounded = [&](int i) {       // columns i .. i + kLanes of the group
      const Vec magic = Vec{} + 0x1.8p23f;  // added, it leaves the nearest integer (even in the middle) in the low bits
      const IntVec q = __builtin_convertvector(load(in + i) * inverse + magic - magic, IntVec);
      sums_of += q;
      return q;
    };
    std::int8_t* out = values + block_position(g * group, interleave);
    if (!interleave) {
      for (int i = 0; i < group; i += kLanes) store_bytes(out + i, rounded(i));
    } else if (group % (2 * kLanes) == 0) {  // a group never crosses a block: both sizes are powers of two
      for (int i = 0; i < group; i += 2 * kLanes) {
        const IntVec a = rounded(i), b = rounded(i + kLanes);
        store_bytes(out + i / 2, every_second<0>(a, b, Lanes()));
        store_bytes(out + i / 2 + kBlockColumns / 2, every_second<1>(a, b, Lanes()));
      }
    } else {
      for (int i = 0; i < group; i += kLanes) {
        const IntVec q = rounded(i);
        for (int lane = 0; lane < kLanes; ++lane)
          out[(i + lane) / 2 + lane % 2 * kBlockColumns / 2] = static_cast<std::int8_t>(q[lane]);
      }
    }
    const int sum = reduce(sums_of, [](IntVec a, IntVec b) { return a + b; });
    scales[g] = scale;
    sums[g] = scale * static_cast<float>(sum);
  }
  zero_fill(scales, static_cast<std::size_t>(groups), padded_groups(columns, group));
  zero_fill(sums, static_cast<std::size_t>(groups), padded_groups(columns, group));
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
