// The fp modes: groups of 4- or 8-bit floats with an 8-bit float as their scale.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/bit_stream-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

inline float largest_of(const float* w, int group) {
  float lanes[kLanes] = {};
  for (int i = 0; i < group; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float m = magnitude(w[i + l]);
      lanes[l] = m > lanes[l] ? m : lanes[l];
    }
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] = lanes[l + half] > lanes[l] ? lanes[l + half] : lanes[l];
  }
  return lanes[0];
}

constexpr float kE2m1[16] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6, -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};
constexpr float kHuge = 0x1p20f;  // of smaller values all differences are told apart

// 0, .5, 1, 1.5, 2, 3, 4, 6 and their negatives; the smaller magnitude of two that are as near, never -0.
inline std::uint8_t to_e2m1(float v) {
  const float m = magnitude(v);
  const int code = (m > 0.25f) + (m > 0.75f) + (m > 1.25f) + (m > 1.75f) + (m > 2.5f) + (m > 3.5f) + (m > 5.0f);
  return static_cast<std::uint8_t>(code + (v < 0 && code > 0 ? 8 : 0));
}

// The same for values that are far beyond 6, because nvfp4's scale ends at 448. MLX takes the first of the codes whose
// differences, as float32, are the least, and here several are.
inline std::uint8_t to_e2m1_of_huge(float v) {
  int best = 0;
  float least = magnitude(v);
  for (int code = 1; code < 16; ++code) {
    const float difference = magnitude(v - kE2m1[code]);
    if (difference < least) {
      least = difference;
      best = code;
    }
  }
  return static_cast<std::uint8_t>(best);
}

// Nearest, half to even, at most 448.
inline std::uint8_t to_e4m3(float v) {
  constexpr std::uint32_t kMost = 0x7e;
  const std::uint32_t sign = (bits_of(v) >> 24) & 0x80, m = bits_of(v) & 0x7fffffff;
  const std::uint32_t denormal = bits_of(from_bits(m) + 0x1p14f) - bits_of(0x1p14f);  // in steps of 2^-9
  const std::uint32_t normal = (m - (120U << 23) + 0x7ffff + ((m >> 20) & 1)) >> 20;
  const std::uint32_t code = m < (121U << 23) ? denormal : m >= (136U << 23) ? kMost : normal;
  return static_cast<std::uint8_t>(sign | (code > kMost ? kMost : code));
}

inline float from_e4m3(std::uint8_t code) {
  const std::uint32_t m = code & 0x7f;
  const float value = m < 8 ? static_cast<float>(m) * 0x1p-9f : from_bits((m << 20) + (120U << 23));
  return (code & 0x80) != 0 ? -value : value;
}

inline float from_e8m0(std::uint8_t code) {
  return code == 0 ? 0x1p-127f : from_bits(static_cast<std::uint32_t>(code) << 23);
}

// The exponent of the least power of two that is not below `s`; 0 for 0.
inline int exponent_above(float s) {
  if (s == 0) return 0;
  int shift = 0;
  if (s < 0x1p-126f) {
    s *= 0x1p64f;
    shift = 64;
  }
  const std::uint32_t bits = bits_of(s);
  return static_cast<int>(bits >> 23) - 127 + ((bits & 0x7fffff) != 0 ? 1 : 0) - shift;
}

constexpr int kLeastExponent = -127;  // what a byte of e8m0 can say

struct GroupScale {
  std::uint8_t stored;
  float value;  // 0: all codes are 0
};

template <typename T>
inline GroupScale fp_scale(QuantMode mode, float largest) {
  if (mode == QuantMode::nvfp4) {
    const std::uint8_t stored = to_e4m3(rounded_to<T>(largest / 6));
    return {stored, from_e4m3(stored)};
  }
  const float s = rounded_to<T>(largest / (mode == QuantMode::mxfp8 ? 448.0f : 6.0f));
  int exponent = exponent_above(s);
  if (exponent < kLeastExponent) exponent = kLeastExponent;
  const auto stored = static_cast<std::uint8_t>(exponent + 127);
  return {stored, from_e8m0(stored)};
}

template <typename T, QuantMode Mode>
inline void fp_quantize(const float* w, std::size_t n, const PackedParts& out) {
  constexpr int kGroup = Mode == QuantMode::nvfp4 ? 16 : 32;
  constexpr int kBits = Mode == QuantMode::mxfp8 ? 8 : 4;
  auto* scales = static_cast<std::uint8_t*>(out.scales);
  unsigned char* stream = out.codes;
  for (std::size_t at = 0; at < n; at += kGroup) {
    const float largest = largest_of(w + at, kGroup);
    const GroupScale scale = fp_scale<T>(Mode, largest);
    scales[at / kGroup] = scale.stored;
    std::uint8_t codes[kGroup] = {};
    if (Mode == QuantMode::nvfp4 && largest / kHuge > scale.value && scale.value != 0) {
      for (int i = 0; i < kGroup; ++i)
        codes[i] = to_e2m1_of_huge(rounded_to<T>(w[at + static_cast<std::size_t>(i)] / scale.value));
    } else if (scale.value != 0) {
      for (int i = 0; i < kGroup; ++i) {
        const float v = rounded_to<T>(w[at + static_cast<std::size_t>(i)] / scale.value);
        codes[i] = kBits == 8 ? to_e4m3(v) : to_e2m1(v);
      }
    }
    for (int i = 0; i < kGroup; i += 8) {
      pack_eight<kBits>(codes + i, stream);
      stream += kBits;
    }
  }
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
