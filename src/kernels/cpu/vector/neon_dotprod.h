// Products of integer activations with 4- and 8-bit weights by NEON's signed dot product (ARMv8.2 dotprod).
//
// 4 bits: 16 bytes of a weight row are 32 columns; the nibbles (0..15, or 0..24 for e2m1) are valid signed bytes.
// 8 bits: 16 columns; codes are shifted by -128 into signed bytes, and 128 * scale goes into the bias. vdotq sums four
// products into each of four lanes, which stay within one group (two groups for the groups of 16 of nvfp4).
#pragma once

#include <arm_neon.h>

#include "kernels/cpu/vector/neon.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr bool kReadsBf16Scales = false;
constexpr int kTileRows = 0;
constexpr void (*interleave_rows)(const void* const*, int, std::size_t, void*) = nullptr;

template <int Bits>
struct CodeBlock {
  static constexpr int kColumns = 128 / Bits;

  int8x16_t low, high;

  // `bytes` of the row are left: nvfp4's groups of 16 columns may end in the middle of a block.
  static uint8x16_t load_bytes(const unsigned char* p, std::size_t bytes) {
    if (bytes >= 16) return vld1q_u8(p);
    unsigned char rest[16] = {};
    __builtin_memcpy(rest, p, bytes);
    return vld1q_u8(rest);
  }

  static CodeBlock load(const unsigned char* p, std::size_t bytes, bool e2m1) {
    const uint8x16_t packed = load_bytes(p, bytes);
    if constexpr (Bits == 8) {
      const int8x16_t shifted = vreinterpretq_s8_u8(veorq_u8(packed, vdupq_n_u8(128)));
      return {shifted, shifted};
    }
    uint8x16_t low = vandq_u8(packed, vdupq_n_u8(15)), high = vshrq_n_u8(packed, 4);
    if (e2m1) {
      const uint8x16_t values = vld1q_u8(kE2m1Shifted);
      low = vqtbl1q_u8(values, low);
      high = vqtbl1q_u8(values, high);
    }
    return {vreinterpretq_s8_u8(low), vreinterpretq_s8_u8(high)};
  }

  float32x4_t dot(const std::int8_t* x, int column) const {
    if constexpr (Bits == 8) return vcvtq_f32_s32(vdotq_s32(vdupq_n_s32(0), low, vld1q_s8(x + column)));
    const std::int8_t* even = x + column / kBlockColumns * kBlockColumns + column % kBlockColumns / 2;
    const int32x4_t sum = vdotq_s32(vdupq_n_s32(0), low, vld1q_s8(even));
    return vcvtq_f32_s32(vdotq_s32(sum, high, vld1q_s8(even + kBlockColumns / 2)));
  }
};

// The scales of a block's lanes.
template <int Bits>
inline float32x4_t lane_scales(const float* scales, int column, int group) {
  const float* first = scales + column / group;
  if (Bits == 4 && group == 16) return vcombine_f32(vdup_n_f32(first[0]), vdup_n_f32(first[1]));
  return vdupq_n_f32(first[0]);
}

template <int Bits, bool E2m1, int R, int C>
inline void integer_tile(const IntegerWeights& w, int r, const IntegerRows& x, int c, float* const* y) {
  float32x4_t sum[R][C];
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < C; ++j) sum[i][j] = vdupq_n_f32(0.0f);
  }
  const auto w_row = [&](int i) { return static_cast<std::size_t>(r + i); };
  const auto x_row = [&](int j) { return static_cast<std::size_t>(c + j); };
  for (int column = 0; column < w.columns; column += CodeBlock<Bits>::kColumns) {
    const std::size_t offset = static_cast<std::size_t>(column) * Bits / 8;
    float32x4_t xs[C];
    for (int j = 0; j < C; ++j) xs[j] = lane_scales<Bits>(x.scales + x_row(j) * x.group_stride, column, w.group);
    for (int i = 0; i < R; ++i) {
      const CodeBlock<Bits> block =
          CodeBlock<Bits>::load(w.values + w_row(i) * w.row_bytes + offset, w.row_bytes - offset, E2m1);
      const float32x4_t ws = lane_scales<Bits>(w.scales + w_row(i) * w.group_stride, column, w.group);
      for (int j = 0; j < C; ++j) {
        sum[i][j] = vfmaq_f32(sum[i][j], block.dot(x.values + x_row(j) * x.stride, column), vmulq_f32(ws, xs[j]));
      }
    }
  }
  const int groups = w.columns / w.group;
  for (int g = 0; g < groups; g += 4) {
    for (int i = 0; i < R; ++i) {
      float32x4_t bias = vld1q_f32(w.biases + w_row(i) * w.group_stride + g);
      if (Bits == 8) bias = vfmaq_n_f32(bias, vld1q_f32(w.scales + w_row(i) * w.group_stride + g), 128.0f);
      for (int j = 0; j < C; ++j)
        sum[i][j] = vfmaq_f32(sum[i][j], bias, vld1q_f32(x.sums + x_row(j) * x.group_stride + g));
    }
  }
  for (int i = 0; i < R; ++i) {
    for (int j = 0; j < C; ++j) y[c + j][r + i] = vaddvq_f32(sum[i][j]);
  }
}

template <int N>
struct Constant {
  static constexpr int value = N;
};

template <int Bits, bool E2m1>
inline void integer_product(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y) {
  const auto strip = [&](auto columns, int c) {
    constexpr int kC = decltype(columns)::value;
    int r = 0;
    for (; r + 4 <= rows_w; r += 4) integer_tile<Bits, E2m1, 4, kC>(w, r, x, c, y);
    for (; r < rows_w; ++r) integer_tile<Bits, E2m1, 1, kC>(w, r, x, c, y);
  };
  int c = 0;
  for (; c + 4 <= rows_x; c += 4) strip(Constant<4>{}, c);
  for (; c < rows_x; ++c) strip(Constant<1>{}, c);
}

void dot_integer(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y, void*) {
  if (w.bits == 8) {
    integer_product<8, false>(w, rows_w, x, rows_x, y);
  } else if (w.e2m1) {
    integer_product<4, true>(w, rows_w, x, rows_x, y);
  } else {
    integer_product<4, false>(w, rows_w, x, rows_x, y);
  }
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
