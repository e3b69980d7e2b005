// Affine groups as MLX makes them.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/bit_stream-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

struct Range {
  float min, max;
};

template <int Group>
inline Range range_of(const float* w) {
  float min[kLanes], max[kLanes];
  for (int l = 0; l < kLanes; ++l) min[l] = max[l] = w[l];
  for (int i = kLanes; i < Group; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      min[l] = w[i + l] < min[l] ? w[i + l] : min[l];
      max[l] = w[i + l] > max[l] ? w[i + l] : max[l];
    }
  }
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) {
      min[l] = min[l + half] < min[l] ? min[l + half] : min[l];
      max[l] = max[l + half] > max[l] ? max[l + half] : max[l];
    }
  }
  return {min[0], max[0]};
}

struct Pair {
  float scale, bias;
};

// MLX's rule: the end of the range that is farther from zero is exact, and so, nearly, is zero.
inline Pair plain_pair(const Range& range, float most_code) {
  constexpr float kSmallest = 1e-7f;
  float scale = (range.max - range.min) / most_code;
  if (scale < kSmallest) scale = kSmallest;
  const bool low_end = magnitude(range.min) > magnitude(range.max);
  if (!low_end) scale = -scale;
  const float edge = low_end ? range.min : range.max;
  const float code = __builtin_rintf(edge / scale);
  if (code == 0) return {scale, 0};
  return {edge / code, edge};
}

inline float clamped(float x, float low, float high) {
  x = x < low ? low : x;
  return x > high ? high : x;
}

// Clamped to the integers next to the range first: rounded() wants small numbers, and rounding keeps the order.
inline float code_of(float x, float most_code) { return clamped(rounded(clamped(x, -1, most_code + 1)), 0, most_code); }

template <int Group>
inline void divide_to_codes(const float* w, const Pair& pair, float most_code, std::uint8_t* codes) {
  for (int i = 0; i < Group; ++i) {
    codes[i] = static_cast<std::uint8_t>(static_cast<int>(code_of((w[i] - pair.bias) / pair.scale, most_code)));
  }
}

template <typename T>
inline void store_pair(const Pair& pair, std::size_t group, const PackedParts& out) {
  static_cast<typename T::Stored*>(out.scales)[group] = T::narrow(pair.scale);
  static_cast<typename T::Stored*>(out.biases)[group] = T::narrow(pair.bias);
}

// Packs the codes of `n` values, a group after the other. codes_of(index of its first value, most code, codes) makes
// those of a group, and stores its scale and bias.
template <int Group, typename CodesOf>
inline void pack_groups(int bits, std::size_t n, unsigned char* stream, const CodesOf& codes_of) {
  const auto most_code = static_cast<float>((1 << bits) - 1);
  for (std::size_t at = 0; at < n; at += Group) {
    std::uint8_t codes[Group];
    codes_of(at, most_code, codes);
    with_bits(bits, [&](auto count) {
      constexpr int kBits = decltype(count)::value;
      for (int i = 0; i < Group; i += 8) pack_eight<kBits>(codes + i, stream + i / 8 * kBits);
    });
    stream += Group / 8 * bits;
  }
}

template <typename T>
void affine_quantize(const Quantization& q, const float* w, std::size_t n, const PackedParts& out) {
  with_group(q.group_size, [&](auto group) {
    constexpr int kGroup = decltype(group)::value;
    pack_groups<kGroup>(q.bits, n, out.codes, [&](std::size_t at, float most_code, std::uint8_t* codes) {
      const Pair pair = plain_pair(range_of<kGroup>(w + at), most_code);
      divide_to_codes<kGroup>(w + at, pair, most_code, codes);
      store_pair<T>(pair, at / kGroup, out);
    });
  });
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
