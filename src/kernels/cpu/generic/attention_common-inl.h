// What the attention kernels of all arithmetics share: softmax of a row, merging of blocks, rows of 8 bits.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif
#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/mla_rows.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr int kRowsPerVector = kLanes / 4;
constexpr int kChunk = kValueTile * kLanes;  // columns
constexpr float kLowest = -3.402823466e38f;

constexpr std::size_t size(int n) { return static_cast<std::size_t>(n); }
constexpr int round_up(int n, int step) { return (n + step - 1) / step * step; }
constexpr int vectors_for(int rows) { return (rows + kRowsPerVector - 1) / kRowsPerVector; }

constexpr int tiles_for(int count, int tile) { return (count + tile - 1) / tile; }

// Calls body<N>(first) for tiles of N = kTile of the numbers below `count`, and once more for the rest with a smaller
// N.
template <int kTile, typename Body>
inline void for_tiles(int count, const Body& body) {
  int first = 0;
  for (; first + kTile <= count; first += kTile) body.template operator()<kTile>(first);
  const int rest = count - first;
  if constexpr (kTile > 4) {
    if (rest == 4) body.template operator()<4>(first);
  }
  if constexpr (kTile > 3) {
    if (rest == 3) body.template operator()<3>(first);
  }
  if constexpr (kTile > 2) {
    if (rest == 2) body.template operator()<2>(first);
  }
  if (rest == 1) body.template operator()<1>(first);
}

// Rows are padded to whole vectors of query rows.
constexpr std::size_t scores_floats(int rows) { return size(vectors_for(rows) * kRowsPerVector) * kKeyBlock; }

std::size_t out_stride(int value_width) { return size(round_up(value_width, kChunk)); }

// Scores become weights; what a row does not see weighs nothing. `round` gives the weights
// as the arithmetic will use them, so that sum and weighted values agree.
template <typename Round>
inline void softmax_row(float* scores, int visible, float* max, float* sum, const Round& round) {
  if (visible == 0) {
    for (int i = 0; i < kKeyBlock; ++i) scores[i] = 0.0f;
    *max = kLowest;
    *sum = 0.0f;
    return;
  }
  const int padded = round_up(visible, kLanes);
  for (int i = visible; i < padded; ++i) scores[i] = kLowest;
  Vec best = load(scores);
  for (int i = kLanes; i < padded; i += kLanes) {
    const Vec v = load(scores + i);
    best = v > best ? v : best;
  }
  *max = first_lane_max(best);
  Vec total = {};
  for (int i = 0; i < padded; i += kLanes) {
    const Vec weight = round(exp2_nonpositive(load(scores + i) - *max));
    store(scores + i, weight);
    total += weight;
  }
  for (int i = padded; i < kKeyBlock; ++i) scores[i] = 0.0f;
  *sum = sum_of(total);
}

// Row `key` of rows of bfloat16.
inline const unsigned char* row_at(const AttentionRows& rows, int key) {
  return static_cast<const unsigned char*>(rows.data) + size(key) * rows.stride * 2;
}

// Where an instruction set has a faster way to bfloat16 than expand_q8_row, its header defines scaled_bytes and
// store_halves.
#if defined(__AVX2__)
// As bfloat16, to nearest, ties to even; NaN stays NaN.
inline void store_bf16(std::uint16_t* out, Vec x) {
  UintVec bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const UintVec upper = bits >> 16;
  const UintVec rounded = (bits + 0x7fff + (upper & 1)) >> 16;
  store_halves(out, (bits & 0x7fffffff) > 0x7f800000 ? upper | 0x40 : rounded);
}

void expand_q8(const void* row, int width, std::uint16_t* out) {
  static_assert(kRowGroup % kLanes == 0);
  const auto* bytes = static_cast<const std::int8_t*>(row);
  const auto* scales = reinterpret_cast<const float*>(bytes + q8_scales_at(width));
  int i = 0;
  for (; i + kLanes <= width; i += kLanes) store_bf16(out + i, scaled_bytes(bytes + i, scales[i / kRowGroup]));
  if (i == width) return;
  std::int8_t rest[kLanes] = {};
  std::uint16_t halves[kLanes];
  __builtin_memcpy(rest, bytes + i, size(width - i));
  store_bf16(halves, scaled_bytes(rest, scales[i / kRowGroup]));
  __builtin_memcpy(out + i, halves, size(width - i) * sizeof *out);
}
#else
void expand_q8(const void* row, int width, std::uint16_t* out) { expand_q8_row(row, width, out); }
#endif

void merge(int rows, int value_width, const AttentionState& part, const AttentionState& state) {
  const std::size_t stride = out_stride(value_width);
  for (int row = 0; row < rows; ++row) {
    if (part.sum[row] == 0.0f) continue;  // saw nothing
    const float max = part.max[row] > state.max[row] ? part.max[row] : state.max[row];
    const float old_factor = exp2_nonpositive(state.max[row] - max), new_factor = exp2_nonpositive(part.max[row] - max);
    state.max[row] = max;
    state.sum[row] = state.sum[row] * old_factor + part.sum[row] * new_factor;
    float* out = state.out + size(row) * stride;
    const float* more = part.out + size(row) * stride;
    for (std::size_t i = 0; i < stride; i += kLanes) {
      store(out + i, load(out + i) * old_factor + load(more + i) * new_factor);
    }
  }
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
