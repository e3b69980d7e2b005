// Each loop is written once, over vectors of floats, and compiled twice on x86-64: for the SSE2 that every processor
// has, and for AVX2, which is chosen where it is there. The bits are the same: nothing is fused, and sums have one
// order.
#include "sampling/softmax.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

#define GLIMT_INLINE __attribute__((always_inline))

namespace glimt {
namespace {

constexpr float kMax = std::numeric_limits<float>::max();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSmallest = -87.3365F;  // e^this is the smallest normal number
constexpr std::size_t kGroup = 16;      // floats that a loop takes at once, in as many vectors as they fill
constexpr std::size_t kChunk = 16;      // groups that are summed in float32 before they go to a double

template <int kBytes>
struct Vectors {
  static constexpr std::size_t kLanes = kBytes / sizeof(float);
  static constexpr std::size_t kCount = kGroup / kLanes;
  using Floats [[gnu::vector_size(kBytes)]] = float;
  using Bits [[gnu::vector_size(kBytes)]] = std::uint32_t;
};

#if defined(__x86_64__)
template <typename Loop>
[[gnu::target("avx2")]] auto run_with_avx2(const Loop& loop) {
  return loop(Vectors<32>());
}
template <typename Loop>
auto run(const Loop& loop) {
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  return has_avx2 ? run_with_avx2(loop) : loop(Vectors<16>());
}
#else
template <typename Loop>
auto run(const Loop& loop) {
  return loop(Vectors<16>());
}
#endif

// Calls work(which accumulator, its vector, where it stands) over all values; the last ones are filled up with
// `padding`.
template <typename V, typename Work>
GLIMT_INLINE inline void for_group(V, const float* values, std::size_t at, const Work& work) {
  for (std::size_t k = 0; k < V::kCount; ++k) {
    typename V::Floats x;
    std::memcpy(&x, values + k * V::kLanes, sizeof x);
    work(k, x, at + k * V::kLanes);
  }
}

template <typename V, typename Work>
GLIMT_INLINE inline void for_all(V vectors, std::span<const float> values, float padding, const Work& work) {
  std::size_t at = 0;
  for (; at + kGroup <= values.size(); at += kGroup) for_group(vectors, values.data() + at, at, work);
  if (at == values.size()) return;
  std::array<float, kGroup> last;
  last.fill(padding);
  std::copy(values.begin() + static_cast<std::ptrdiff_t>(at), values.end(), last.begin());
  for_group(vectors, last.data(), at, work);
}

// e^x for x <= 0 (also -inf): x = n ln 2 + r with |r| <= ln(2) / 2, a polynomial for e^r (the coefficients of Cephes'
// expf), and 2^n by the bits of its exponent.
template <typename V>
GLIMT_INLINE inline typename V::Floats exp_of_negative(V, typename V::Floats x) {
  using Floats = typename V::Floats;
  using Bits = typename V::Bits;
  constexpr float kLog2E = 1.44269504F, kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  constexpr float kRounder = 12582912;  // 1.5 * 2^23: adding it rounds to an integer, which stands in the low bits
  const Floats inside = x > kSmallest ? x : Floats{} + kSmallest;
  const Floats rounded = inside * kLog2E + kRounder;
  const Floats n = rounded - kRounder;
  const Floats r = (inside - n * kLn2High) - n * kLn2Low;
  Floats y = r * 1.9875691500e-4F + 1.3981999507e-3F;
  y = y * r + 8.3334519073e-3F;
  y = y * r + 4.1665795894e-2F;
  y = y * r + 1.6666665459e-1F;
  y = y * r + 5.0000001201e-1F;
  y = y * r * r + r + 1;
  const Bits exponent = (std::bit_cast<Bits>(rounded) << 23) + std::bit_cast<std::uint32_t>(1.0F);
  return x > kSmallest ? y * std::bit_cast<Floats>(exponent) : Floats{};
}

// The sum of what `term(x, where it stands)` makes of all values.
template <typename V, typename Term>
GLIMT_INLINE inline double sum_of(V vectors, std::span<const float> values, float padding, const Term& term) {
  double sum = 0;
  for (std::size_t at = 0; at < values.size(); at += kChunk * kGroup) {
    std::array<typename V::Floats, V::kCount> sums{};
    const std::span<const float> chunk = values.subspan(at, std::min(kChunk * kGroup, values.size() - at));
    for_all(vectors, chunk, padding,
            [&](std::size_t k, typename V::Floats x, std::size_t i) GLIMT_INLINE { sums[k] += term(x, at + i); });
    for (const auto& part : sums) {
      for (std::size_t lane = 0; lane < V::kLanes; ++lane) sum += part[lane];
    }
  }
  return sum;
}

struct Largest {
  float logit;
  bool broken;  // one of them is NaN or +inf
};

template <typename V>
GLIMT_INLINE inline Largest find_largest(V vectors, std::span<const float> logits) {
  using Floats = typename V::Floats;
  using Bits = typename V::Bits;
  std::array<Floats, V::kCount> largest;
  std::array<Bits, V::kCount> broken{};
  largest.fill(Floats{} - kInfinity);
  for_all(vectors, logits, -kInfinity, [&](std::size_t k, Floats x, std::size_t) GLIMT_INLINE {
    largest[k] = x > largest[k] ? x : largest[k];
    broken[k] |= ~std::bit_cast<Bits>(x <= kMax);  // NaN is not below anything
  });
  Largest result{-kInfinity, false};
  for (std::size_t k = 0; k < V::kCount; ++k) {
    for (std::size_t lane = 0; lane < V::kLanes; ++lane) {
      result.logit = std::max(result.logit, largest[k][lane]);
      result.broken |= broken[k][lane] != 0;
    }
  }
  return result;
}

[[noreturn]] void refuse(std::span<const float> logits) {
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] <= kMax)) {
      fail(ErrorKind::internal, "sampler", "the model gave {} as the logit of token {}; the answer cannot go on",
           logits[i], i);
    }
  }
  fail(ErrorKind::internal, "sampler", "no token is possible: all {} logits are -inf", logits.size());
}

}  // namespace

float largest_logit(std::span<const float> logits) {
  const Largest largest = run([=](auto vectors) GLIMT_INLINE { return find_largest(vectors, logits); });
  if (largest.broken || largest.logit < std::numeric_limits<float>::lowest()) refuse(logits);
  return largest.logit;
}

double softmax_weights(std::span<const float> logits, float largest, float sharpness, std::span<float> weights) {
  return run([=](auto vectors) GLIMT_INLINE {
    return sum_of(vectors, logits, -kInfinity, [=](auto x, std::size_t at) GLIMT_INLINE {
      const auto weight = exp_of_negative(vectors, (x - largest) * sharpness);
      if (at + decltype(vectors)::kLanes <= weights.size()) {
        std::memcpy(weights.data() + at, &weight, sizeof weight);
      } else if (at < weights.size()) {
        std::memcpy(weights.data() + at, &weight, (weights.size() - at) * sizeof(float));
      }
      return weight;
    });
  });
}

double softmax_sum(std::span<const float> logits, float largest) {
  return run([=](auto vectors) GLIMT_INLINE {
    return sum_of(vectors, logits, -kInfinity,
                  [=](auto x, std::size_t) GLIMT_INLINE { return exp_of_negative(vectors, x - largest); });
  });
}

double mass_above(std::span<const float> weights, float weight) {
  return run([=](auto vectors) GLIMT_INLINE {
    return sum_of(vectors, weights, 0,
                  [=](auto x, std::size_t) GLIMT_INLINE { return x > weight ? x : decltype(x){}; });
  });
}

}  // namespace glimt
