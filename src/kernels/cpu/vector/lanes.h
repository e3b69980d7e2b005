// Vectors of kLanes floats in the compiler's own notation: what every instruction set has in common. Included by the
// headers beside it, which say how many lanes there are and add what only their instructions can do.
//
// GLIMT_ISA is the namespace: all of this is compiled once for each instruction set with its own flags. Nothing is
// included whose inline functions could be shared with code built for a lesser CPU: the linker keeps one copy of those,
// and it might be the one that the CPU cannot run.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#define GLIMT_ISA portable
namespace glimt::cpu::GLIMT_ISA {
constexpr int kLanes = 4;
}
#endif

#include "kernels/cpu/isa.h"

#include <utility>

// In sanitized builds loops stay loops and functions stay functions: with the checks in them, the compiler takes many
// minutes over what it otherwise makes of the integer products.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GLIMT_INLINE inline
#define GLIMT_UNROLL(times)
#else
#define GLIMT_INLINE inline __attribute__((always_inline))
#define GLIMT_PRAGMA(text) _Pragma(#text)
#define GLIMT_UNROLL(times) GLIMT_PRAGMA(GCC unroll times)
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

using Vec = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntVec = std::int32_t __attribute__((vector_size(kLanes * sizeof(float))));
using UintVec = std::uint32_t __attribute__((vector_size(kLanes * sizeof(float))));
using WideVec = std::uint64_t __attribute__((vector_size(kLanes * sizeof(float))));
using UnalignedVec = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(1), may_alias));
using Halves = std::uint16_t __attribute__((vector_size(kLanes * sizeof(std::uint16_t)), aligned(1), may_alias));

inline Vec load(const float* p) { return *reinterpret_cast<const UnalignedVec*>(p); }
inline void store(float* p, Vec v) { *reinterpret_cast<UnalignedVec*>(p) = v; }
inline Vec splat(float x) { return x - Vec{}; }

// bfloat16, at any address
inline Vec load(const std::uint16_t* p) {
  return reinterpret_cast<Vec>(__builtin_convertvector(*reinterpret_cast<const Halves*>(p), UintVec) << 16);
}

inline Vec load_tail(const float* p, int count) {
  float lanes[kLanes] = {};
  __builtin_memcpy(lanes, p, static_cast<std::size_t>(count) * sizeof(float));
  return load(lanes);
}

inline Vec load_tail(const std::uint16_t* p, int count) {
  std::uint16_t lanes[kLanes] = {};
  __builtin_memcpy(lanes, p, static_cast<std::size_t>(count) * sizeof(std::uint16_t));
  return load(lanes);
}

using Lanes = std::make_integer_sequence<int, kLanes>;

template <int Width, typename V, int... I>
inline V swap_lanes(V v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I ^ Width)...);
}

// op over all lanes as a tree: halves, halves of these, and so on.
template <int Width = kLanes / 2, typename V, typename Op>
inline auto reduce(V v, Op op) {
  const V halves = op(v, swap_lanes<Width>(v, Lanes()));
  if constexpr (Width == 1) {
    return halves[0];
  } else {
    return reduce<Width / 2>(halves, op);
  }
}

inline float sum_of(Vec v) {
  return reduce(v, [](Vec a, Vec b) { return a + b; });
}

// Within each four lanes: the first two of `a` and of `b` by turns, the last two by turns, the first two of both one
// after the other, the last two.
template <int First, int... I>
inline Vec pairs_of(Vec a, Vec b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + First + I % 4 / 2 + I % 2 * kLanes)...);
}
template <int First, int... I>
inline Vec halves_of(Vec a, Vec b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + First + I % 2 + I % 4 / 2 * kLanes)...);
}
inline Vec low_pairs(Vec a, Vec b) { return pairs_of<0>(a, b, Lanes()); }
inline Vec high_pairs(Vec a, Vec b) { return pairs_of<2>(a, b, Lanes()); }
inline Vec low_halves(Vec a, Vec b) { return halves_of<0>(a, b, Lanes()); }
inline Vec high_halves(Vec a, Vec b) { return halves_of<2>(a, b, Lanes()); }

// Of four vectors the sums of each four lanes: lane 4r + j is the sum of lanes 4r … 4r + 3 of v[j].
inline Vec sum_quads(const Vec* v) {
  const Vec ab = low_pairs(v[0], v[1]) + high_pairs(v[0], v[1]);
  const Vec cd = low_pairs(v[2], v[3]) + high_pairs(v[2], v[3]);
  return low_halves(ab, cd) + high_halves(ab, cd);
}

inline float first_lane_max(Vec v) {
  float best = v[0];
  for (int i = 1; i < kLanes; ++i) best = v[i] > best ? v[i] : best;
  return best;
}

// e^x to about 1e-7 relative: 2^n by the exponent bits times a polynomial on [-ln 2 / 2, ln 2 / 2] (coefficients of
// Cephes' expf, https://www.netlib.org/cephes/).
inline Vec exp_of(Vec x) {
  const Vec high = Vec{} + 88.0f, low = Vec{} - 87.0f;
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vec shift = Vec{} + 0x1.8p23f;  // rounds to the nearest integer, which then stands in the low bits
  const Vec n = x * 1.44269504088896341f + shift - shift;
  const Vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
  Vec p = Vec{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const IntVec power = (__builtin_convertvector(n, IntVec) + 127) << 23;
  Vec scale;
  __builtin_memcpy(&scale, &power, sizeof scale);
  return p * scale;
}

// 2^x for x <= 0; 0 below 2^-126.
inline Vec exp2_nonpositive(Vec x) {
  constexpr float kRound = 12582912.0f;  // 1.5 · 2^23: adding it leaves the nearest integer in the lowest bits
  const Vec bounded = x < -126.0f ? splat(-126.0f) : x;
  const Vec shifted = bounded + kRound;
  const Vec f = bounded - (shifted - kRound);  // -0.5 … 0.5
  Vec p = splat(1.535336188e-4f);              // minimax polynomial of 2^f, relative error below 1e-7
  p = p * f + 1.339887440e-3f;
  p = p * f + 9.618437357e-3f;
  p = p * f + 5.550332471e-2f;
  p = p * f + 2.402264791e-1f;
  p = p * f + 6.931472028e-1f;
  p = p * f + 1.0f;
  IntVec bits, exponent;
  __builtin_memcpy(&bits, &p, sizeof bits);
  __builtin_memcpy(&exponent, &shifted, sizeof exponent);
  bits += exponent << 23;
  __builtin_memcpy(&p, &bits, sizeof p);
  return x < -126.0f ? Vec{} : p;
}

inline float exp2_nonpositive(float x) { return exp2_nonpositive(splat(x))[0]; }

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
