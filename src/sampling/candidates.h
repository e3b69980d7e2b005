// The tokens that may still be drawn, and the filters that thin them out. Internal to the sampler.
//
// No filter sorts: each finds the last candidate that it keeps in an order that is total (by rank, equal ones by id),
// by a radix selection in three passes, and then drops the rest without changing the order of ids. So all are linear
// in the number of candidates, whatever the logits are.
#pragma once

#include "base/token.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace glimt {

struct Candidate {
  TokenId token;
  float weight;        // in proportion to its probability; 1 for the likeliest
  std::uint32_t rank;  // lower comes first; so far by weight, the larger the lower
};

// By ascending id. Filters work in place and return what they kept.
using Candidates = std::span<Candidate>;

// The tokens with a weight above `above` (>= 0). REQUIRES: room has a place for each weight, and no weight is above 1.
Candidates collect_candidates(std::span<const float> weights, float above, Candidates room);

// The weight if it is above `above`, else 0, without a branch.
inline float masked(float weight, float above) {
  const std::uint32_t mask = weight > above ? ~0U : 0U;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(weight) & mask);
}

// Calls visit(i, weights[i] if that is above `above`, else 0) for i in [begin, end) in order, but not for groups in
// which no weight is above. Where many are, nothing can predict which: no branch here depends on one, and none in
// `visit` should.
template <typename Visit>
void for_groups_above(std::span<const float> weights, std::size_t begin, std::size_t end, float above,
                      const Visit& visit) {
  constexpr std::size_t kGroup = 16;
  std::array<float, kGroup> group;
  for (; begin + kGroup <= end; begin += kGroup) {
    float most = 0;
    for (std::size_t i = 0; i < kGroup; ++i) most = std::max(most, weights[begin + i]);
    if (most <= above) continue;
    for (std::size_t i = 0; i < kGroup; ++i) group[i] = masked(weights[begin + i], above);
    for (std::size_t i = 0; i < kGroup; ++i) visit(begin + i, group[i]);
  }
  for (; begin < end; ++begin) visit(begin, weights[begin] > above ? weights[begin] : 0);
}

double total_weight(Candidates candidates);

// The `count` likeliest. REQUIRES: count > 0.
Candidates keep_likeliest(Candidates candidates, std::size_t count);

// The likeliest until their weights sum to `mass`, at least one; all if they are less.
Candidates keep_nucleus(Candidates candidates, double mass);

// Those with a weight of `least` or more. REQUIRES: least <= 1.
Candidates keep_heavy(Candidates candidates, float least);

// Locally typical sampling (Meister et al. 2022): those whose information is nearest to the entropy, until they hold
// the given share of the whole weight; at least one. The logarithm of a weight is (logits[token] - largest) *
// sharpness.
Candidates keep_typical(Candidates candidates, double share, std::span<const float> logits, float largest,
                        float sharpness);

// A weight that no k-th likeliest token is below, k <= weights.size(), found without looking at each alone: the
// k-th largest of the maxima of small groups. 0 where k is too large for that.
float bound_of_likeliest(std::span<const float> weights, std::size_t k, std::span<float> scratch);

}  // namespace glimt
