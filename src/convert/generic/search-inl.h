// The search for the scale and the bias that lose least.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/affine-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

inline Lanes load(const float* values) {
  Lanes lanes;
  __builtin_memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

inline float sum_of(const Lanes& lanes) {
  float sums[kLanes];
  __builtin_memcpy(sums, &lanes, sizeof sums);
  for (int half = kLanes / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; ++l) sums[l] += sums[l + half];
  }
  return sums[0];
}

// As code_of a float.
inline Lanes codes_of(const Lanes& w, const Pair& pair, float inverse, float most_code) {
  const Lanes low = Lanes{} - 1, high = Lanes{} + (most_code + 1), zero = {}, most = Lanes{} + most_code;
  Lanes x = (w - pair.bias) * inverse;
  x = x < low ? low : x;
  x = x > high ? high : x;
  x = (x + kRounder) - kRounder;
  x = x < zero ? zero : x;
  return x > most ? most : x;
}

// Sum of importance * error² with the codes that are best for `pair`.
template <int Group>
inline float error_of(const float* w, const float* importance, const Pair& pair, float most_code) {
  const float inverse = pair.scale == 0 ? 0 : 1 / pair.scale;
  Lanes errors = {};
  for (int i = 0; i < Group; i += kLanes) {
    const Lanes value = load(w + i), code = codes_of(value, pair, inverse, most_code);
    const Lanes error = value - (code * pair.scale + pair.bias);
    errors += load(importance + i) * error * error;
  }
  return sum_of(errors);
}

// What does not depend on the codes: sums of importance, and of it times the values and their squares.
struct Moments {
  double ones, values, squares;
};

template <int Group>
inline Moments moments_of(const float* w, const float* importance) {
  Lanes ones = {}, values = {}, squares = {};
  for (int i = 0; i < Group; i += kLanes) {
    const Lanes h = load(importance + i), product = h * load(w + i);
    ones += h;
    values += product;
    squares += product * load(w + i);
  }
  return {sum_of(ones), sum_of(values), sum_of(squares)};
}

struct Fit {
  Pair pair;
  double error;  // what least squares leave, before the pair is rounded and the codes are made anew
};

// Weighted least squares for the codes of `pair`; `pair` itself where these codes are all one.
template <int Group>
inline Fit fitted(const float* w, const float* importance, const Moments& m, const Pair& pair, float most_code) {
  const float inverse = 1 / pair.scale;
  Lanes codes = {}, squares = {}, products = {};
  for (int i = 0; i < Group; i += kLanes) {
    const Lanes value = load(w + i), code = codes_of(value, pair, inverse, most_code);
    const Lanes weighted = load(importance + i) * code;
    codes += weighted;
    squares += weighted * code;
    products += weighted * value;
  }
  const double q = sum_of(codes), qq = sum_of(squares), qv = sum_of(products);
  const double determinant = m.ones * qq - q * q;
  if (!(determinant > 1e-9 * m.ones * qq)) return {pair, m.squares};
  const double scale = (m.ones * qv - q * m.values) / determinant, bias = (m.values - scale * q) / m.ones;
  return {{static_cast<float>(scale), static_cast<float>(bias)}, m.squares - bias * m.values - scale * qv};
}

template <typename T>
inline Pair as_stored(const Pair& pair) {
  return {rounded_to<T>(pair.scale), rounded_to<T>(pair.bias)};
}

// The best of MLX's own pair and of those two, of fifteen that fit narrower and wider ranges, that promise most; all
// rounded as they will be stored.
template <typename T, int Group>
inline Pair best_pair(const float* w, const float* importance, const Range& range, float most_code) {
  constexpr int kShrinks = 15;
  constexpr float kNarrowest = 0.70f, kStep = 0.025f;
  Pair best = as_stored<T>(plain_pair(range, most_code));
  const float middle = (range.min + range.max) / 2, width = range.max - range.min;
  if (!(width > 1e-7f)) return best;
  const Moments moments = moments_of<Group>(w, importance);
  Fit first = {best, moments.squares}, second = first;
  for (int k = 0; k < kShrinks; ++k) {
    const float scale = width * (kNarrowest + kStep * static_cast<float>(k)) / most_code;
    const Fit fit = fitted<Group>(w, importance, moments, {scale, middle - scale * most_code / 2}, most_code);
    if (fit.error < first.error) {
      second = first;
      first = fit;
    } else if (fit.error < second.error) {
      second = fit;
    }
  }
  float least = error_of<Group>(w, importance, best, most_code);
  const Fit fits[] = {first, second};
  for (const Fit& fit : fits) {
    const Pair pair = as_stored<T>(fit.pair);
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
