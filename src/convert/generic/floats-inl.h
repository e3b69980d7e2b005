// Stored floats, as in all of generic/: plain loops over fixed counts, which the compiler turns into vector code for one
// instruction set. Nothing in here may call an inline function of the standard library: the linker would keep one copy
// for all instruction sets.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/loops.h"

#include <cstddef>
#include <cstdint>

namespace glimt::convert::GLIMT_LOOPS {
namespace {

constexpr int kLanes = 16;
constexpr int kMostGroup = 128;

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float from_bits(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
inline float magnitude(float value) { return value < 0 ? -value : value; }

constexpr float kRounder = 0x1.8p23f;

// Half to even, for |x| < 2^22.
inline float rounded(float x) { return (x + kRounder) - kRounder; }

struct AsF32 {
  using Stored = float;
  static float widen(Stored s) { return s; }
  static Stored narrow(float v) { return v; }
  static bool finite(Stored s) { return (bits_of(s) & 0x7f800000) != 0x7f800000; }
};

struct AsBf16 {
  using Stored = std::uint16_t;
  static float widen(Stored s) { return from_bits(static_cast<std::uint32_t>(s) << 16); }
  static Stored narrow(float v) {
    const std::uint32_t u = bits_of(v);
    return static_cast<Stored>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
  }
  static bool finite(Stored s) { return (s & 0x7f80) != 0x7f80; }
};

struct AsF16 {
  using Stored = std::uint16_t;
  static float widen(Stored s) {
    const std::uint32_t sign = (static_cast<std::uint32_t>(s) & 0x8000) << 16;
    const float value = from_bits((static_cast<std::uint32_t>(s) & 0x7fff) << 13) * 0x1p112f;
    return from_bits(bits_of(value) | sign);
  }
  // The sum with a power of two that is 2^13 times the value's, or 2^-1 for what becomes denormal, rounds at float16's
  // last bit.
  static Stored narrow(float v) {
    const std::uint32_t u = bits_of(v), twice = u + u;
    const float scaled = (magnitude(v) * 0x1p112f) * 0x1p-110f;
    const std::uint32_t exponent = (twice & 0xff000000) < 0x71000000 ? 0x71000000 : (twice & 0xff000000);
    const std::uint32_t sum = bits_of(from_bits((exponent >> 1) + 0x07800000) + scaled);
    return static_cast<Stored>(((u >> 16) & 0x8000) | (((sum >> 13) & 0x7c00) + (sum & 0x0fff)));
  }
  static bool finite(Stored s) { return (s & 0x7c00) != 0x7c00; }
};

template <typename T>
inline float rounded_to(float v) {
  return T::widen(T::narrow(v));
}

// Calls body(T{}) with the type that stands for `type`.
template <typename Body>
inline auto with_type(Dtype type, const Body& body) {
  if (type == Dtype::bf16) return body(AsBf16{});
  if (type == Dtype::f16) return body(AsF16{});
  return body(AsF32{});
}

void widen(Dtype type, const void* stored, float* values, std::size_t n) {
  with_type(type, [&](auto t) {
    using T = decltype(t);
    const auto* in = static_cast<const typename T::Stored*>(stored);
    for (std::size_t i = 0; i < n; ++i) values[i] = T::widen(in[i]);
  });
}

void narrow(Dtype type, const float* values, void* stored, std::size_t n) {
  with_type(type, [&](auto t) {
    using T = decltype(t);
    auto* out = static_cast<typename T::Stored*>(stored);
    for (std::size_t i = 0; i < n; ++i) out[i] = T::narrow(values[i]);
  });
}

std::size_t first_not_finite(Dtype type, const void* stored, std::size_t n) {
  constexpr std::size_t kStretch = 4096;
  return with_type(type, [&](auto t) {
    using T = decltype(t);
    const auto* in = static_cast<const typename T::Stored*>(stored);
    for (std::size_t from = 0; from < n; from += kStretch) {
      const std::size_t to = n - from < kStretch ? n : from + kStretch;
      int all = 1;
      for (std::size_t i = from; i < to; ++i) all &= T::finite(in[i]) ? 1 : 0;
      if (all != 0) continue;
      for (std::size_t i = from; i < to; ++i) {
        if (!T::finite(in[i])) return i;
      }
    }
    return n;
  });
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
