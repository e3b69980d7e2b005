#include "engine/step_costs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(StepCosts, GuessesWhatWasNotMeasured) {
  EXPECT_THAT(StepCosts().relative(1, 2), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9), DoubleNear(5.0 / 3, 1e-9)));
  EXPECT_THAT(StepCosts().relative(4, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
  StepCosts costs;
  costs.record(1, 0.5);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
}

TEST(StepCosts, AMeasurementAloneIsNoRatio) {
  StepCosts costs;
  costs.record(2, 0.02);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(4.0 / 3, 1e-9)));
}

TEST(StepCosts, FollowsTheMeasurements) {
  StepCosts costs;
  for (int i = 0; i < 100; ++i) {
    costs.record(1, 1.0);
    costs.record(2, 1.1);
    costs.record(4, 3.0);
  }
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(1.1, 1e-3)));
  EXPECT_THAT(costs.relative(2, 1), ElementsAre(1, DoubleNear(3.0 / 1.1, 1e-3)));
  for (int i = 0; i < 100; ++i) costs.record(2, 1.5);
  EXPECT_THAT(costs.relative(1, 1), ElementsAre(1, DoubleNear(1.5, 1e-3)));
}

TEST(StepCosts, OneSlowStepChangesLittle) {
  StepCosts costs;
  costs.record(1, 1.0);
  costs.record(2, 1.2);
  costs.record(2, 1000);
  EXPECT_LT(costs.relative(1, 1)[1], 1.6);
}

TEST(StepCosts, KnowsWhatAStepWithoutDraftsWouldTake) {
  StepCosts costs;
  EXPECT_NEAR(costs.without_drafts(2, 4, 4.0), 3.0, 1e-9);  // guessed: two more rows cost a third more
  EXPECT_NEAR(costs.without_drafts(2, 2, 4.0), 4.0, 1e-9);
  costs.record(2, 3.5);
  EXPECT_NEAR(costs.without_drafts(2, 4, 4.0), 3.5, 1e-9);
}

}  // namespace
}  // namespace glimt
