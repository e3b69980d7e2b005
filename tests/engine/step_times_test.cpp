#include "engine/step_times.h"

#include <gmock/gmock.h>

#include <random>

namespace glimt {
namespace {

// A machine that is described by the model itself.
struct Machine {
  double base, row, key;
  double noise = 0;
  std::mt19937 random{1};

  double step(const StepWork& work) {
    const double slow = 1 + noise * std::uniform_real_distribution<double>(-1, 1)(random);
    return slow * (base + row * work.rows + key * work.keys);
  }
};

StepWork work(int depth, int rows) {
  StepWork w;
  w.add(depth, rows);
  return w;
}

void learn(StepTimes& times, Machine& machine) {
  for (const int depth : {0, 500, 4000, 30'000}) {
    for (const int rows : {1, 8, 16, 64, 256}) {
      for (int i = 0; i < 5; ++i) times.record(work(depth, rows), machine.step(work(depth, rows)));
    }
  }
}

TEST(StepTimes, KnowsNothingAtFirstAndStartsSmall) {
  const StepTimes times;
  EXPECT_EQ(times.cost(1000, 100), 0);
  EXPECT_EQ(times.affordable(0, 0.25), StepTimes::kFirstRows);
  EXPECT_EQ(times.affordable(100'000, 0.25), StepTimes::kFirstRows);
  EXPECT_EQ(times.affordable(0, 0), 0);
  EXPECT_EQ(times.affordable(0, -1), 0);
}

TEST(StepTimes, LearnsRowsAndKeys) {
  StepTimes times;
  Machine machine{0.03, 0.0004, 2e-7, 0.05};
  learn(times, machine);
  EXPECT_NEAR(times.base(), 0.03, 0.004);
  for (const int depth : {0, 2000, 30'000}) {
    for (const int rows : {16, 100, 400}) {
      const double exact = 0.0004 * rows + 2e-7 * work(depth, rows).keys;
      EXPECT_NEAR(times.cost(depth, rows), exact, 0.15 * exact) << depth << " " << rows;
    }
  }
}

TEST(StepTimes, ExpectsOnlyWhatItHasSeenTheLikeOf) {
  StepTimes times;
  EXPECT_EQ(times.expected(work(0, 64)), std::nullopt);
  Machine machine{0.03, 0.0004, 2e-7};
  learn(times, machine);
  EXPECT_NEAR(times.expected(work(4000, 70)).value(), machine.step(work(4000, 70)), 0.01);
  EXPECT_EQ(times.expected(work(4000, 1000)), std::nullopt);
  EXPECT_EQ(times.expected(work(4'000'000, 64)), std::nullopt);
}

TEST(StepTimes, WhatIsAffordableCostsWhatItMay) {
  StepTimes times;
  Machine machine{0.03, 0.0004, 2e-7};
  learn(times, machine);
  for (const int depth : {0, 1000, 10'000, 30'000}) {
    for (const double seconds : {0.01, 0.1}) {
      const int rows = times.affordable(depth, seconds);
      EXPECT_LE(times.cost(depth, rows), seconds * 1.0001) << depth;
      EXPECT_GT(times.cost(depth, rows + 1), seconds) << depth;
    }
  }
}

TEST(StepTimes, GrowsWithWhatWasMeasuredAtSuchADepth) {
  StepTimes times;
  for (int rows = 1; rows <= 64; rows *= 2) times.record(work(100, rows), 0.001 * rows);
  EXPECT_EQ(times.affordable(100, 100), 128);
  EXPECT_EQ(times.affordable(50'000, 100), StepTimes::kFirstRows) << "nobody was there yet";
}

TEST(StepTimes, OneSlowStepChangesLittle) {
  StepTimes times;
  Machine machine{0.03, 0.0004, 2e-7};
  learn(times, machine);
  const double before = times.cost(1000, 100);
  times.record(work(4000, 64), 30);
  EXPECT_LT(times.cost(1000, 100), 2 * before);
  for (int i = 0; i < 20; ++i) times.record(work(4000, 64), machine.step(work(4000, 64)));
  EXPECT_NEAR(times.cost(1000, 100), before, 0.1 * before);
}

TEST(StepTimes, AThousandPlainStepsDoNotHideWhatAPromptCosts) {
  StepTimes times;
  Machine machine{0.03, 0.0004, 2e-7};
  learn(times, machine);
  for (int i = 0; i < 1000; ++i) times.record(work(2000 + i, 2), machine.step(work(2000 + i, 2)));
  EXPECT_NEAR(times.cost(4000, 200), 0.0004 * 200 + 2e-7 * work(4000, 200).keys, 0.02);
}

TEST(StepTimes, TheCoefficientsAreNeverNegative) {
  StepTimes times;  // more rows are faster here: noise
  times.record(work(10, 100), 0.1);
  times.record(work(10, 10), 0.2);
  times.record(work(5000, 40), 0.05);
  EXPECT_GE(times.base(), 0);
  EXPECT_GE(times.cost(0, 1), 0);
  EXPECT_GE(times.cost(100'000, 1), times.cost(0, 1));
  times.record(work(10, 0), 1);
  times.record(work(10, 5), -1);  // no step takes less than nothing
}

}  // namespace
}  // namespace glimt
