#include "sampling/candidates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>

namespace glimt {
namespace {

constexpr std::size_t kGroup = 16;  // tokens, of which one maximum is taken

// Floats that are not negative have the order of their bits.
std::uint32_t bits_of(float value) { return std::bit_cast<std::uint32_t>(value); }
std::uint32_t rank_by_weight(float weight) { return bits_of(1.0F) - bits_of(weight); }

// A digit of a rank, from the most significant one on.
struct Digit {
  int shift;
  int bits;
};
constexpr Digit kDigits[] = {{19, 13}, {9, 10}, {0, 9}};

// Where a selection ends: all candidates before `rank` are in, of those with this rank as many as are still wanted.
struct Border {
  std::uint32_t rank;
  double before;  // the amount of those before `rank`
};

// The first rank at which the amounts, summed in the order of ranks, reach `wanted`; the last possible one if they
// never do.
template <typename Amount>
Border find_border(std::span<const Candidate> candidates, double wanted, Amount amount) {
  std::array<double, std::size_t{1} << kDigits[0].bits> buckets;
  Border border{0, 0};
  for (const Digit digit : kDigits) {
    const std::uint32_t count = 1U << digit.bits;
    std::fill_n(buckets.begin(), count, 0.0);
    // The first digit has nothing above it, and a shift by 32 is not defined.
    const auto above = [&](std::uint32_t rank) { return std::uint64_t{rank} >> (digit.shift + digit.bits); };
    for (const Candidate& candidate : candidates) {
      if (above(candidate.rank) == border.rank)
        buckets[candidate.rank >> digit.shift & (count - 1)] += amount(candidate);
    }
    std::uint32_t bucket = 0;
    while (bucket + 1 < count && border.before + buckets[bucket] < wanted) border.before += buckets[bucket++];
    border.rank = border.rank << digit.bits | bucket;
  }
  return border;
}

template <typename Amount>
Candidates keep_until(Candidates candidates, double wanted, Amount amount) {
  wanted = std::max(wanted, std::numeric_limits<double>::min());  // at least one
  auto [last, sum] = find_border(candidates, wanted, amount);
  std::size_t kept = 0;
  for (const Candidate& candidate : candidates) {
    bool keep = candidate.rank < last;
    if (candidate.rank == last && sum < wanted) {
      sum += amount(candidate);
      keep = true;
    }
    candidates[kept] = candidate;  // without a branch, which could not be predicted
    kept += keep ? 1 : 0;
  }
  return candidates.first(kept);
}

double weight_of(const Candidate& candidate) { return candidate.weight; }

}  // namespace

Candidates collect_candidates(std::span<const float> weights, float above, Candidates room) {
  std::size_t count = 0;
  for_groups_above(weights, 0, weights.size(), above, [&](std::size_t i, float weight) {
    room[count] = {static_cast<TokenId>(i), weight, rank_by_weight(weight)};  // count <= i
    count += weight > 0 ? 1 : 0;
  });
  return room.first(count);
}

double total_weight(Candidates candidates) {
  double sum = 0;
  for (const Candidate& candidate : candidates) sum += candidate.weight;
  return sum;
}

Candidates keep_likeliest(Candidates candidates, std::size_t count) {
  if (count >= candidates.size()) return candidates;
  return keep_until(candidates, static_cast<double>(count), [](const Candidate&) { return 1.0; });
}

Candidates keep_nucleus(Candidates candidates, double mass) { return keep_until(candidates, mass, weight_of); }

Candidates keep_heavy(Candidates candidates, float least) {
  const auto light = [least](const Candidate& candidate) { return candidate.weight < least; };
  const auto end = std::remove_if(candidates.begin(), candidates.end(), light);
  return candidates.first(static_cast<std::size_t>(end - candidates.begin()));
}

// With x = log w and Z = sum of w, the information of a token is log Z - x and the entropy the mean of that: what is
// compared is the distance of x from its mean.
Candidates keep_typical(Candidates candidates, double share, std::span<const float> logits, float largest,
                        float sharpness) {
  const auto log_weight = [&](const Candidate& candidate) {
    return double{(logits[static_cast<std::size_t>(candidate.token)] - largest) * sharpness};
  };
  double total = 0, mean = 0;
  for (const Candidate& candidate : candidates) {
    total += candidate.weight;
    mean += candidate.weight * log_weight(candidate);
  }
  mean /= total;
  for (Candidate& candidate : candidates) {
    candidate.rank = bits_of(std::abs(static_cast<float>(mean - log_weight(candidate))));
  }
  return keep_until(candidates, share * total, weight_of);
}

float bound_of_likeliest(std::span<const float> weights, std::size_t k, std::span<float> scratch) {
  const std::size_t groups = weights.size() / kGroup;
  if (k > groups / 2) return 0;
  for (std::size_t group = 0; group < groups; ++group) {
    float most = 0;
    for (std::size_t i = 0; i < kGroup; ++i) most = std::max(most, weights[group * kGroup + i]);
    scratch[group] = most;
  }
  const auto maxima = scratch.first(groups);
  std::nth_element(maxima.begin(), maxima.begin() + static_cast<std::ptrdiff_t>(k - 1), maxima.end(), std::greater<>());
  return maxima[k - 1];
}

}  // namespace glimt
