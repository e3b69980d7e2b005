#include "engine/draft_policy.h"

#include "base/throws.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace glimt {
namespace {

using Costs = std::vector<double>;
using testing::HasSubstr;

Costs linear(double slope, int depth = 3) {
  Costs costs;
  for (int k = 0; k <= depth; ++k) costs.push_back(1 + slope * k);
  return costs;
}

// A text whose drafts stand with these probabilities, one after the other.
class Text {
 public:
  Text(std::vector<double> acceptance, unsigned seed) : acceptance_(std::move(acceptance)), random_(seed) {}

  // One step; adds to tokens and time.
  int step(DraftPolicy& policy, const Costs& costs) {
    const int depth = policy.next_depth(costs);
    int accepted = 0;
    while (accepted < depth && static_cast<double>(random_()) * 0x1p-32 < at(accepted)) ++accepted;
    policy.record(depth, accepted);
    tokens += 1 + accepted;
    time += costs[static_cast<std::size_t>(depth)];
    return depth;
  }
  double speed(DraftPolicy& policy, const Costs& costs, int steps) {
    tokens = time = 0;
    for (int i = 0; i < steps; ++i) step(policy, costs);
    return tokens / time;
  }
  double best_speed(const Costs& costs) const {
    double best = 1;
    double expected = 1;
    double reached = 1;
    for (std::size_t k = 1; k < costs.size(); ++k) {
      expected += reached *= at(static_cast<int>(k) - 1);
      best = std::max(best, expected / costs[k]);
    }
    return best;
  }
  double at(int i) const { return acceptance_[std::min(static_cast<std::size_t>(i), acceptance_.size() - 1)]; }

  double tokens = 0;
  double time = 0;

 private:
  std::vector<double> acceptance_;
  std::mt19937 random_;
};

TEST(DraftPolicy, StartsWithHopeWhereDraftsAreCheap) {
  EXPECT_EQ(DraftPolicy().next_depth(linear(0.1)), 3);
  EXPECT_EQ(DraftPolicy().next_depth(linear(0.5)), 2);
  EXPECT_EQ(DraftPolicy().next_depth(linear(0.9)), 0);
}

TEST(DraftPolicy, DraftsNoDeeperThanItMayOrThanCostsAreKnown) {
  DraftPolicyOptions options;
  options.max_depth = 2;
  EXPECT_EQ(DraftPolicy(options).next_depth(linear(0.01, 5)), 2);
  EXPECT_EQ(DraftPolicy().next_depth(linear(0.01, 1)), 1);
  EXPECT_EQ(DraftPolicy().next_depth(linear(0.01, 0)), 0);
  options.max_depth = 0;
  EXPECT_EQ(DraftPolicy(options).next_depth(linear(0.01)), 0);
}

TEST(DraftPolicy, LearnsTheAcceptanceOfEachDepth) {
  DraftPolicy policy;
  Text text({0.9, 0.5, 0.2}, 1);
  const Costs free = {1, 1, 1, 1};
  text.speed(policy, free, 3000);
  EXPECT_NEAR(policy.acceptance(0), 0.9, 0.15);
  EXPECT_NEAR(policy.acceptance(1), 0.5, 0.2);
  EXPECT_NEAR(policy.acceptance(2), 0.2, 0.2);
}

TEST(DraftPolicy, CountsADraftOnlyIfThoseBeforeItStood) {
  DraftPolicy policy;
  for (int i = 0; i < 1000; ++i) policy.record(3, 1);
  EXPECT_NEAR(policy.acceptance(0), 1, 0.01);
  EXPECT_LT(policy.acceptance(1), 0.1);
  const double third = policy.acceptance(2);  // never tried: the one before it, which is its prior
  EXPECT_NEAR(third, policy.acceptance(1), 1e-9);
}

TEST(DraftPolicy, FindsNearlyTheBestSpeed) {
  for (const double a : {0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.97}) {
    for (const double slope : {0.02, 0.1, 0.25, 0.5, 0.8, 1.0}) {
      for (unsigned seed = 0; seed < 3; ++seed) {
        SCOPED_TRACE(testing::Message() << a << " accepted at a cost of " << slope << ", seed " << seed);
        DraftPolicy policy;
        Text text({a, 0.9 * a, 0.8 * a}, seed);
        EXPECT_GT(text.speed(policy, linear(slope), 6000), 0.95 * text.best_speed(linear(slope)));
      }
    }
  }
}

// The cost of a verify step need not grow evenly: one draft may not pay where three do.
TEST(DraftPolicy, SeesThatSeveralDraftsPayWhereOneDoesNot) {
  const Costs steps = {1, 1.6, 1.62, 1.65};
  DraftPolicy policy;
  Text text({0.55, 0.9, 0.9}, 4);
  EXPECT_LT(1.55 / 1.6, 1);
  EXPECT_GT(text.speed(policy, steps, 6000), 0.95 * text.best_speed(steps));
}

TEST(DraftPolicy, AHopelessTextCostsNextToNothing) {
  DraftPolicy policy;
  Text text({0}, 1);
  text.speed(policy, linear(0.5), 200);
  const double early = text.tokens / text.time;
  EXPECT_GT(early, 0.85);
  EXPECT_GT(text.speed(policy, linear(0.5), 20'000), 0.993);
}

TEST(DraftPolicy, PausesGetLongerUpToALimit) {
  DraftPolicyOptions options;
  options.first_pause = 4;
  options.longest_pause = 20;
  options.probe_drafts = 2;
  DraftPolicy policy(options);
  Text text({0}, 1);
  std::vector<int> pauses;
  int pause = 0;
  for (int i = 0; i < 300; ++i) {
    if (text.step(policy, linear(0.5)) == 0) {
      EXPECT_TRUE(policy.parked());
      ++pause;
    } else if (pause > 0) {
      pauses.push_back(std::exchange(pause, 0));
    }
  }
  pauses.resize(5);
  EXPECT_EQ(pauses, (std::vector<int>{4, 8, 16, 20, 20}));
}

TEST(DraftPolicy, ProbesAreShortAndShallow) {
  DraftPolicyOptions options;
  options.probe_drafts = 5;
  DraftPolicy policy(options);
  Text text({0}, 1);
  while (!policy.parked()) text.step(policy, linear(0.5));
  int in_a_row = 0;
  for (int i = 0; i < 3000; ++i) {
    const int depth = text.step(policy, linear(0.5));
    EXPECT_LE(depth, 1);
    in_a_row = depth == 0 ? 0 : in_a_row + 1;
    EXPECT_LE(in_a_row, 5);
  }
}

TEST(DraftPolicy, NoticesWhenATextBecomesEasyAndHardAgain) {
  DraftPolicy policy;
  Text hard({0.02}, 1);
  Text easy({0.9}, 2);
  const Costs costs = linear(0.3);
  for (int round = 0; round < 3; ++round) {
    hard.speed(policy, costs, 5000);
    int steps = 0;
    while (easy.step(policy, costs) < 2) ++steps;
    EXPECT_LT(steps, 1024 + 50) << "the longest pause and a probe";
    EXPECT_GT(easy.speed(policy, costs, 500), 0.9 * easy.best_speed(costs));
    steps = 0;
    for (; !policy.parked(); ++steps) hard.step(policy, costs);
    EXPECT_LT(steps, 150) << "a few times its memory";
    EXPECT_EQ(policy.next_depth(costs), 0);
  }
}

// A gain too small to tell from chance does not start it again.
TEST(DraftPolicy, AProbeMustShowAMargin) {
  for (const double margin : {0.0, 0.05}) {
    DraftPolicyOptions options;
    options.margin = margin;
    options.probe_drafts = 100;
    DraftPolicy policy(options);
    const Costs costs = {1, 1.5};
    while (policy.next_depth(costs) > 0) policy.record(1, 0);
    while (policy.next_depth(costs) == 0) {
    }
    for (int i = 0; i < 100; ++i) policy.record(1, i % 2 == 0 || i % 25 == 24 ? 1 : 0);
    EXPECT_GT(policy.speedup(1, costs), 1.0);
    EXPECT_LT(policy.speedup(1, costs), 1.05);
    EXPECT_EQ(policy.next_depth(costs), margin == 0 ? 1 : 0);
  }
}

// A success starts the pauses anew: a text that was easy once may well be again.
TEST(DraftPolicy, PausesAreShortAgainAfterASuccess) {
  DraftPolicy policy;
  Text hard({0}, 1);
  Text easy({0.95}, 2);
  const Costs costs = linear(0.3);
  hard.speed(policy, costs, 3000);
  while (easy.step(policy, costs) < 2) {
  }
  while (!policy.parked()) hard.step(policy, costs);
  int pause = 1;
  while (hard.step(policy, costs) == 0) ++pause;
  EXPECT_EQ(pause, 16);
}

TEST(DraftPolicy, FollowsTheCosts) {
  DraftPolicy policy;
  Text text({0.6}, 1);
  text.speed(policy, linear(0.1), 500);
  EXPECT_EQ(policy.next_depth(linear(0.01)), 3);
  EXPECT_EQ(policy.next_depth(linear(1.0)), 0) << "a full batch, say";
}

TEST(DraftPolicy, ProbesWaitForADrafterThatHasNoGuess) {
  DraftPolicy policy;
  Text text({0}, 1);
  while (!policy.parked()) text.step(policy, linear(0.5));
  while (policy.next_depth(linear(0.5)) == 0) {
  }
  for (int i = 0; i < 100; ++i) {
    policy.record(0, 0);
    EXPECT_EQ(policy.next_depth(linear(0.5)), 1);
  }
}

TEST(DraftPolicy, IsAFunctionOfWhatItWasTold) {
  DraftPolicy a;
  DraftPolicy b;
  Text first({0.4, 0.3}, 5);
  Text second({0.4, 0.3}, 5);
  for (int i = 0; i < 2000; ++i) ASSERT_EQ(first.step(a, linear(0.3)), second.step(b, linear(0.3)));
}

TEST(DraftPolicy, RefusesMisuse) {
  const auto with = [](auto change) {
    DraftPolicyOptions options;
    change(options);
    return DraftPolicy(options);
  };
  EXPECT_ERROR(with([](auto& o) { o.max_depth = -1; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(with([](auto& o) { o.memory = 0.5; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(with([](auto& o) { o.margin = -1; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(with([](auto& o) { o.probe_drafts = 0; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(with([](auto& o) { o.first_pause = 0; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(with([](auto& o) { o.longest_pause = 3; }), ErrorKind::invalid_request, HasSubstr("out of range"));
  DraftPolicy policy;
  EXPECT_ERROR(policy.record(1, 2), ErrorKind::internal, "draft policy: 2 of 1 drafts accepted");
  EXPECT_ERROR(policy.record(-1, -1), ErrorKind::internal, HasSubstr("drafts accepted"));
}

}  // namespace
}  // namespace glimt
