#include "engine/step_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

void record(StepCosts& costs, int times, int sequences, int rows, double seconds) {
  for (int i = 0; i < times; ++i) costs.record(sequences, rows, seconds);
}

TEST(RecentMedian, IsTheMiddleOfTheLastNine) {
  RecentMedian<9> median;
  EXPECT_EQ(median.get(), 0);
  for (double x : {5.0, 1.0, 9.0}) median.add(x);
  EXPECT_EQ(median.get(), 5);
  for (int i = 0; i < 4; ++i) median.add(1000);
  EXPECT_EQ(median.get(), 1000);
  for (int i = 0; i < 5; ++i) median.add(2);
  EXPECT_EQ(median.get(), 2) << "four of the last nine are 1000";
  EXPECT_EQ(median.count(), 12u);
}

TEST(StepCosts, GuessesWhatWasNotMeasured) {
  EXPECT_THAT(StepCosts().relative(1, 2), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9), DoubleNear(5.0 / 3, 1e-9)));
  EXPECT_THAT(StepCosts().relative(4, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
  StepCosts costs;
  record(costs, 5, 1, 1, 0.5);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
}

TEST(StepCosts, AMeasurementAloneIsNoRatio) {
  StepCosts costs;
  record(costs, 5, 1, 2, 0.02);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
}

TEST(StepCosts, FollowsTheMeasurements) {
  StepCosts costs;
  record(costs, 9, 1, 1, 1.0);
  record(costs, 9, 1, 2, 1.1);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(1.1, 1e-9)));
  record(costs, 5, 1, 2, 1.5);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(1.5, 1e-9)));
}

TEST(StepCosts, AFewSlowStepsChangeNothing) {
  StepCosts costs;
  record(costs, 9, 1, 1, 1.0);
  record(costs, 9, 1, 2, 1.2);
  record(costs, 4, 1, 2, 1000);
  EXPECT_NEAR(costs.relative(1, 1)[1], 1.2, 1e-9);
}

// In a batch hardly ever all sequences guess as much: the numbers of rows between tell what a row costs.
TEST(StepCosts, LearnsTheShareOfARowFromStepsInWhichOnlySomeGuess) {
  StepCosts costs;
  record(costs, 3, 32, 32, 8.0);
  for (int i = 0; i < 30; ++i) costs.record(32, 40 + i % 10, 8.0 + 0.2 * (8 + i % 10));
  EXPECT_THAT(costs.relative(32, 2), ElementsAre(1, DoubleNear(1.8, 1e-6), DoubleNear(2.6, 1e-6)));
  EXPECT_NEAR(costs.without_drafts(32, 45, 10.6), 8.0, 1e-9);
  record(costs, 4, 32, 64, 9.0);
  EXPECT_GT(costs.relative(32, 1)[1], 1.5) << "a few steps of just that many rows are not taken for all";
  EXPECT_THAT(costs.relative(16, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9))) << "of other batches it says nothing";
}

TEST(StepCosts, WantsPlainStepsFirstAndNowAndThen) {
  StepCosts costs;
  record(costs, 10, 32, 40, 1.0);
  EXPECT_TRUE(costs.wants_plain_step(32)) << "none was plain";
  record(costs, 2, 32, 32, 1.0);
  EXPECT_TRUE(costs.wants_plain_step(32)) << "too few to know its time";
  record(costs, 1, 32, 32, 1.0);
  EXPECT_FALSE(costs.wants_plain_step(32));
  EXPECT_TRUE(costs.wants_plain_step(31)) << "another number of sequences";
  record(costs, 63, 32, 40, 1.0);
  EXPECT_FALSE(costs.wants_plain_step(32));
  record(costs, 1, 32, 40, 1.0);
  EXPECT_TRUE(costs.wants_plain_step(32)) << "what is known is old";
  record(costs, 1, 32, 32, 1.0);
  EXPECT_FALSE(costs.wants_plain_step(32));
}

TEST(StepCosts, KnowsWhatAStepWithoutDraftsWouldTake) {
  StepCosts costs;
  EXPECT_NEAR(costs.without_drafts(2, 4, 4.0), 3.0, 1e-9);  // guessed: two more rows cost a third more
  EXPECT_NEAR(costs.without_drafts(2, 2, 4.0), 4.0, 1e-9);
  record(costs, 3, 2, 2, 3.5);
  EXPECT_NEAR(costs.without_drafts(2, 4, 4.0), 3.5, 1e-9);
}

}  // namespace
}  // namespace glimt
