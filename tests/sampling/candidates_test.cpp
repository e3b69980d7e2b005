// The filters against full sorts, with weights that make a selection by digits hard: equal ones, neighbours, all of
// one.
#include "sampling/candidates.h"

#include "sampling/race.h"
#include "sampling/softmax.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace glimt {
namespace {

struct Fixture {
  explicit Fixture(std::vector<float> all) : weights(std::move(all)), room(weights.size()) {}
  Candidates all() { return collect_candidates(weights, 0, room); }

  std::vector<float> weights;
  std::vector<Candidate> room;
};

std::vector<TokenId> ids(Candidates candidates) {
  std::vector<TokenId> result;
  for (const Candidate& candidate : candidates) result.push_back(candidate.token);
  return result;
}

// The `count` first of a full sort, by ascending id.
std::vector<TokenId> sorted_first(const std::vector<float>& weights, std::size_t count) {
  std::vector<TokenId> order;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) order.push_back(static_cast<TokenId>(i));
  }
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) {
    return weights[static_cast<std::size_t>(a)] > weights[static_cast<std::size_t>(b)];
  });
  order.resize(std::min(order.size(), count));
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<std::vector<float>> hard_weights() {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(0, 1);
  std::vector<std::vector<float>> cases;
  cases.push_back({1});
  cases.emplace_back(1000, 1.0F);
  for (const int n : {15, 16, 17, 700}) {
    std::vector<float> w(static_cast<std::size_t>(n));
    for (float& x : w) x = uniform(random);
    w[static_cast<std::size_t>(n) / 2] = 1;
    cases.push_back(w);
    for (float& x : w) x = std::ceil(x * 4) / 4;  // many equal ones
    cases.push_back(w);
    for (float& x : w) x = std::nextafter(x, 0.0F) * (random() % 2 == 0 ? 1 : 0);  // neighbours, and forbidden tokens
    w[0] = 1;
    cases.push_back(w);
    for (float& x : w) x = std::exp(-60 * uniform(random));
    w[0] = 1;
    cases.push_back(w);
  }
  return cases;
}

TEST(Candidates, TheLikeliestAreThoseOfASort) {
  for (const std::vector<float>& weights : hard_weights()) {
    for (const std::size_t count : {1U, 2U, 5U, 16U, 100U, 5000U}) {
      Fixture f(weights);
      EXPECT_EQ(ids(keep_likeliest(f.all(), count)), sorted_first(weights, count)) << weights.size() << " " << count;
    }
  }
}

TEST(Candidates, TheBoundOfTheLikeliestLosesNone) {
  for (const std::vector<float>& weights : hard_weights()) {
    std::vector<float> scratch(weights.size()), sorted = weights;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    for (std::size_t k = 1; k <= weights.size(); ++k) {
      EXPECT_LE(bound_of_likeliest(weights, k, scratch), sorted[k - 1]) << k;
    }
  }
}

TEST(Candidates, TheNucleusIsTheShortestThatHoldsTheMass) {
  for (const std::vector<float>& weights : hard_weights()) {
    for (const double share : {0.0, 0.1, 0.5, 0.9, 0.999}) {
      Fixture f(weights);
      const double mass = share * total_weight(f.all());
      const std::vector<TokenId> kept = ids(keep_nucleus(f.all(), mass));
      ASSERT_FALSE(kept.empty());
      EXPECT_EQ(kept, sorted_first(weights, kept.size()));
      const auto holds = [&](std::size_t count) {
        double sum = 0;
        for (const TokenId id : sorted_first(weights, count)) sum += weights[static_cast<std::size_t>(id)];
        return sum;
      };
      EXPECT_GE(holds(kept.size()), mass * (1 - 1e-12));
      if (kept.size() > 1) {
        EXPECT_LT(holds(kept.size() - 1), mass * (1 + 1e-12));
      }
    }
  }
}

TEST(Candidates, ARaceOfAllFindsTheWinnerOfTheNucleus) {
  for (const std::vector<float>& weights : hard_weights()) {
    for (const double share : {0.0, 0.1, 0.5, 0.9}) {
      for (std::size_t position = 0; position < 30; ++position) {
        Fixture f(weights);
        const RaceNumbers numbers(3, position);
        const double mass = share * total_weight(f.all());
        EXPECT_EQ(race_in_nucleus(weights, mass, 0, numbers), race(keep_nucleus(f.all(), mass), numbers));
      }
    }
  }
}

TEST(Softmax, WeightsAreExponentials) {
  std::mt19937 random(6);
  for (const std::size_t n : {1U, 7U, 16U, 17U, 1000U}) {
    std::normal_distribution<float> normal(0, 12);
    std::vector<float> logits(n), weights(n, -1);
    for (float& logit : logits) logit = normal(random);
    if (n > 3) logits[3] = -std::numeric_limits<float>::infinity();
    const float largest = largest_logit(logits);
    EXPECT_EQ(largest, *std::max_element(logits.begin(), logits.end()));
    double sum = 0;
    const double got = softmax_weights(logits, largest, 0.7F, weights);
    for (std::size_t i = 0; i < n; ++i) {
      const double exact = std::exp(double{(logits[i] - largest) * 0.7F});
      EXPECT_NEAR(weights[i], exact, 3e-7 * exact + 2e-38) << logits[i];
      sum += exact;
    }
    EXPECT_NEAR(got, sum, 1e-6 * sum);
    EXPECT_NEAR(mass_above(weights, 0), sum, 1e-6 * sum);
    EXPECT_EQ(mass_above(weights, 1), 0);
  }
}

}  // namespace
}  // namespace glimt
