// The search for the scale and the bias that lose least.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/affine-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

inline float sum_of(float (&lanes)[kLanes]) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) lanes[l] += lanes[l + half];
  }
  return lanes[0];
}

// The float codes of `pair`, and sum of importance * error².
template <int Group>
inline float error_of(const float* w, const float* importance, const Pair& pair, float most_code) {
  const float inverse = pair.scale == 0 ? 0 : 1 / pair.scale;
  float errors[kLanes] = {};
  for (int i = 0; i < Group; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float code = code_of((w[i + l] - pair.bias) * inverse, most_code);
      const float error = w[i + l] - (code * pair.scale + pair.bias);
      errors[l] += importance[i + l] * error * error;
    }
  }
  return sum_of(errors);
}

// The pair of weighted least squares for the codes of `pair`; `pair` itself where these codes are all one.
template <int Group>
inline Pair fitted(const float* w, const float* importance, const Pair& pair, float most_code) {
  const float inverse = 1 / pair.scale;
  float ones[kLanes] = {}, codes[kLanes] = {}, squares[kLanes] = {}, values[kLanes] = {}, products[kLanes] = {};
  for (int i = 0; i < Group; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float h = importance[i + l], code = code_of((w[i + l] - pair.bias) * inverse, most_code);
      ones[l] += h;
      codes[l] += h * code;
      squares[l] += h * code * code;
      values[l] += h * w[i + l];
      products[l] += h * code * w[i + l];
    }
  }
  const double n = sum_of(ones), q = sum_of(codes), qq = sum_of(squares), v = sum_of(values), qv = sum_of(products);
  const double determinant = n * qq - q * q;
  if (!(determinant > 1e-9 * n * qq)) return pair;
  const double scale = (n * qv - q * v) / determinant;
  return {static_cast<float>(scale), static_cast<float>((v - scale * q) / n)};
}

template <typename T>
inline Pair as_stored(const Pair& pair) {
  return {rounded_to<T>(pair.scale), rounded_to<T>(pair.bias)};
}

// The best of MLX's own pair and those that fit narrower and wider ranges, all rounded as they will be stored.
template <typename T, int Group>
inline Pair best_pair(const float* w, const float* importance, const Range& range, float most_code) {
  constexpr int kShrinks = 15;
  constexpr float kNarrowest = 0.70f, kStep = 0.025f;
  Pair best = as_stored<T>(plain_pair(range, most_code));
  const float middle = (range.min + range.max) / 2, width = range.max - range.min;
  if (!(width > 1e-7f)) return best;
  float least = error_of<Group>(w, importance, best, most_code);
  for (int k = 0; k < kShrinks; ++k) {
    const float scale = width * (kNarrowest + kStep * static_cast<float>(k)) / most_code;
    const Pair pair = as_stored<T>(fitted<Group>(w, importance, {scale, middle - scale * most_code / 2}, most_code));
    const float error = error_of<Group>(w, importance, pair, most_code);
    if (pair.scale != 0 && error < least) {
      least = error;
      best = pair;
    }
  }
  return best;
}

// The codes come from the pair as it is stored, which MLX's do not: for one pair no others lose less.
template <typename T, int Group>
inline void searched_codes(const float* w, const float* importance, float most_code, std::size_t group,
                           std::uint8_t* codes, const PackedParts& out) {
  const Range range = range_of<Group>(w);
  const Pair pair = best_pair<T, Group>(w, importance, range, most_code);
  divide_to_codes<Group>(w, pair, most_code, codes);
  store_pair<T>(pair, group, out);
}

void search(const Quantization& q, Dtype type, const float* values, const float* importance, std::size_t n,
            const PackedParts& out) {
  float ones[kMostGroup];
  for (float& one : ones) one = 1;
  with_type(type, [&](auto t) {
    using T = decltype(t);
    with_group(q.group_size, [&](auto group) {
      constexpr int kGroup = decltype(group)::value;
      pack_groups<kGroup>(q.bits, n, out.codes, [&](std::size_t at, float most_code, std::uint8_t* codes) {
        const float* h = importance != nullptr ? importance + at : ones;
        searched_codes<T, kGroup>(values + at, h, most_code, at / kGroup, codes, out);
      });
    });
  });
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
