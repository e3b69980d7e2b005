// The search for the scale and the bias that lose least.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/affine-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

// One register. kLanes of a group are summed up side by side on every instruction set, so that the bits are the same.
#if defined(__AVX512F__)
constexpr int kRegister = 16;
#elif defined(__AVX__)
constexpr int kRegister = 8;
#else
constexpr int kRegister = 4;
#endif
constexpr int kRegisters = kLanes / kRegister;
using Register = float __attribute__((vector_size(kRegister * sizeof(float))));

inline Register load(const float* values) {
  Register lanes;
  __builtin_memcpy(&lanes, values, sizeof lanes);
  return lanes;
}

// kLanes sums.
struct Sums {
  Register part[kRegisters] = {};
};

// The upper half onto the lower one, until one is left.
inline float sum_of(const Sums& sums) {
#if defined(__AVX512F__)
  const Register v = sums.part[0];
  const auto eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                     __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif defined(__AVX__)
  const Register eight = sums.part[0] + sums.part[1];
#endif
#if defined(__AVX__)
  const auto four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
#else
  const Register four = (sums.part[0] + sums.part[2]) + (sums.part[1] + sums.part[3]);
#endif
  const auto two = four + __builtin_shufflevector(four, four, 2, 3, 2, 3);
  return two[0] + two[1];
}

// As code_of a float, of a register or one value: integers that lie in order are rounded to themselves, so that one clamp
// is enough. (`most * 0` is a zero that the compiler does not know, for which it takes one instruction.)
template <typename Values>
inline Register codes_of(const Values& w, const Register& bias, const Register& inverse, float most_code) {
  const Register most = Register{} + most_code, zero = most * 0.0f;
  Register x = (w - bias) * inverse;
  x = x > zero ? x : zero;
  x = x < most ? x : most;
  return (x + kRounder) - kRounder;
}

// Calls body(register of a group, values) for all of it.
template <int Group, typename Body>
inline void for_registers(const float* w, const Body& body) {
  for (int i = 0; i < Group; i += kLanes) {
    for (int part = 0; part < kRegisters; ++part) {
      const int at = i + part * kRegister;
      body(at, part, load(w + at));
    }
  }
}

// The importance of some values; none means 1 for each.
template <bool Weighted>
inline Register weighted(const float* importance, int at, const Register& values) {
  if constexpr (Weighted) return load(importance + at) * values;
  return values;
}

// Sum of importance * error² with the codes that are best for `pair`.
template <int Group, bool Weighted>
inline float error_of(const float* w, const float* importance, const Pair& pair, float most_code) {
  const Register bias = Register{} + pair.bias, inverse = Register{} + (pair.scale == 0 ? 0 : 1 / pair.scale);
  Sums errors;
  for_registers<Group>(w, [&](int at, int part, const Register& value) {
    const Register code = codes_of(value, bias, inverse, most_code);
    const Register error = value - (code * pair.scale + pair.bias);
    errors.part[part] += weighted<Weighted>(importance, at, error) * error;
  });
  return sum_of(errors);
}

// What does not depend on the codes: sums of importance, and of it times the values and their squares.
struct Moments {
  double ones, values, squares;
};

template <int Group, bool Weighted>
inline Moments moments_of(const float* w, const float* importance) {
  Sums ones, values, squares;
  for_registers<Group>(w, [&](int at, int part, const Register& value) {
    const Register product = weighted<Weighted>(importance, at, value);
    ones.part[part] += weighted<Weighted>(importance, at, Register{} + 1.0f);
    values.part[part] += product;
    squares.part[part] += product * value;
  });
  return {sum_of(ones), sum_of(values), sum_of(squares)};
}

// Pairs that are fitted side by side, a lane each: MLX's own, and some for ranges narrower and wider than the group's.
constexpr int kTries = kLanes;
struct Tries {
  float scales[kTries], biases[kTries];
  double errors[kTries];  // what least squares leave, before the pairs are rounded and the codes are made anew

  Pair at(int k) const { return {scales[k], biases[k]}; }
};

inline Tries first_tries(const Range& range, const Pair& plain, float most_code) {
  constexpr float kNarrowest = 0.70f, kStep = 0.025f;
  const float middle = (range.min + range.max) / 2, width = range.max - range.min;
  Tries tries;
  for (int k = 0; k < kTries; ++k) {
    tries.scales[k] = width * (kNarrowest + kStep * static_cast<float>(k)) / most_code;
    tries.biases[k] = middle - tries.scales[k] * most_code / 2;
  }
  tries.scales[kTries - 1] = plain.scale;
  tries.biases[kTries - 1] = plain.bias;
  return tries;
}

// Weighted sums of each try's codes, of their squares, and of their products with the values.
struct CodeSums {
  float codes[kTries], squares[kTries], products[kTries];
};

template <int Group, bool Weighted>
inline CodeSums sums_of_codes(const float* w, const float* importance, const Tries& tries, float most_code) {
  Sums codes, squares, products;
  Register bias[kRegisters], inverse[kRegisters];
  for (int part = 0; part < kRegisters; ++part) {
    bias[part] = load(tries.biases + part * kRegister);
    inverse[part] = 1.0f / load(tries.scales + part * kRegister);
  }
  for (int i = 0; i < Group; ++i) {
    for (int part = 0; part < kRegisters; ++part) {
      const Register code = codes_of(w[i], bias[part], inverse[part], most_code);
      const Register product = Weighted ? importance[i] * code : code;
      codes.part[part] += product;
      squares.part[part] += product * code;
      products.part[part] += product * w[i];
    }
  }
  CodeSums sums;
  __builtin_memcpy(sums.codes, &codes, sizeof codes);
  __builtin_memcpy(sums.squares, &squares, sizeof squares);
  __builtin_memcpy(sums.products, &products, sizeof products);
  return sums;
}

// Each try becomes the pair that is best for its codes, by weighted least squares; it stays where these are all one.
inline void fit(const CodeSums& sums, const Moments& m, Tries& tries) {
  for (int k = 0; k < kTries; ++k) {
    const double q = sums.codes[k], qq = sums.squares[k], qv = sums.products[k];
    const double determinant = m.ones * qq - q * q;
    const double scale = (m.ones * qv - q * m.values) / determinant, bias = (m.values - scale * q) / m.ones;
    const bool differ = determinant > 1e-9 * m.ones * qq;
    tries.errors[k] = differ ? m.squares - bias * m.values - scale * qv : m.squares;
    tries.scales[k] = differ ? static_cast<float>(scale) : tries.scales[k];
    tries.biases[k] = differ ? static_cast<float>(bias) : tries.biases[k];
  }
}

// The first of the tries with the least error, without branches, which nobody could predict.
inline int best_of(const Tries& tries) {
  double least = tries.errors[0];
  for (int k = 1; k < kTries; ++k) least = tries.errors[k] < least ? tries.errors[k] : least;
  int best = 0;
  for (int k = kTries - 1; k >= 0; --k) best = tries.errors[k] == least ? k : best;
  return best;
}

template <typename T>
inline Pair as_stored(const Pair& pair) {
  return {rounded_to<T>(pair.scale), rounded_to<T>(pair.bias)};
}

// The best of MLX's own pair and of the two tries that promise most; all rounded as they will be stored.
template <typename T, int Group, bool Weighted>
inline Pair best_pair(const float* w, const float* importance, const Range& range, float most_code) {
  const Pair plain = plain_pair(range, most_code);
  Pair best = as_stored<T>(plain);
  if (!(range.max - range.min > 1e-7f)) return best;
  Tries tries = first_tries(range, plain, most_code);
  fit(sums_of_codes<Group, Weighted>(w, importance, tries, most_code), moments_of<Group, Weighted>(w, importance),
      tries);
  const int first = best_of(tries);
  tries.errors[first] = __builtin_huge_val();
  const int second = best_of(tries);
  float least = error_of<Group, Weighted>(w, importance, best, most_code);
  const int chosen[] = {first, second};
  for (const int k : chosen) {
    const Pair pair = as_stored<T>(tries.at(k));
    const float error = error_of<Group, Weighted>(w, importance, pair, most_code);
    if (pair.scale != 0 && error < least) {
      least = error;
      best = pair;
    }
  }
  return best;
}

// The codes come from the pair as it is stored, which MLX's do not: for one pair no others lose less.
template <typename T, int Group, bool Weighted>
inline void searched_codes(const float* w, const float* importance, float most_code, std::size_t group,
                           std::uint8_t* codes, const PackedParts& out) {
  const Range range = range_of<Group>(w);
  const Pair pair = best_pair<T, Group, Weighted>(w, importance, range, most_code);
  divide_to_codes<Group>(w, pair, most_code, codes);
  store_pair<T>(pair, group, out);
}

template <typename T, int Group, bool Weighted>
inline void search_groups(int bits, const float* values, const float* importance, std::size_t n,
                          const PackedParts& out) {
  pack_groups<Group>(bits, n, out.codes, [&](std::size_t at, float most_code, std::uint8_t* codes) {
    const float* const h = Weighted ? importance + at : nullptr;
    searched_codes<T, Group, Weighted>(values + at, h, most_code, at / Group, codes, out);
  });
}

void search(const Quantization& q, Dtype type, const float* values, const float* importance, std::size_t n,
            const PackedParts& out) {
  with_type(type, [&](auto t) {
    using T = decltype(t);
    with_group(q.group_size, [&](auto group) {
      constexpr int kGroup = decltype(group)::value;
      if (importance != nullptr) return search_groups<T, kGroup, true>(q.bits, values, importance, n, out);
      search_groups<T, kGroup, false>(q.bits, values, nullptr, n, out);
    });
  });
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
