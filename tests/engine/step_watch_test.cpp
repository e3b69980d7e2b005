#include "engine/step_watch.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using namespace std::chrono_literals;
using Clock = StepWatch::Clock;

constexpr StepWatch::Limits kLimits{4s, 60s};

struct StepWatchTest : testing::Test {
  std::optional<std::uint64_t> progress = 1;
  StepWatch watch{kLimits, [this] { return progress; }};
  Clock::time_point now = Clock::now();

  bool gets_on_after(Clock::duration time) {
    now += time;
    return watch.look(now).gets_on;
  }
};

TEST_F(StepWatchTest, BetweenStepsNothingHangs) {
  EXPECT_TRUE(gets_on_after(1h));
  watch.begin(now);
  now += 2s;
  watch.end(now);
  EXPECT_TRUE(gets_on_after(1h));
  EXPECT_EQ(watch.look(now).step_seconds, 0);
  EXPECT_NEAR(watch.look(now).idle_seconds, 3600, 1e-3);
}

TEST_F(StepWatchTest, AStepThatStandsStillHangs) {
  watch.begin(now);
  EXPECT_TRUE(gets_on_after(3s));
  EXPECT_FALSE(gets_on_after(2s));
  EXPECT_NEAR(watch.look(now).step_seconds, 5, 1e-3);
  progress = 2;
  EXPECT_TRUE(gets_on_after(1s)) << "it was slow, and goes on";
  EXPECT_TRUE(gets_on_after(3s));
  EXPECT_FALSE(gets_on_after(2s));
}

TEST_F(StepWatchTest, ALongStepThatGetsOnIsFine) {
  watch.begin(now);
  for (int i = 0; i < 600; ++i) {
    ++*progress;
    EXPECT_TRUE(gets_on_after(3s));
  }
  EXPECT_FALSE(gets_on_after(5s));
}

TEST_F(StepWatchTest, WhatHasNotMovedBetweenTwoLooksHasStoodStill) {
  EXPECT_TRUE(gets_on_after(0s));
  watch.begin(now);
  EXPECT_FALSE(gets_on_after(1min));
}

TEST_F(StepWatchTest, WithoutProgressTheTimeOfSuchStepsCounts) {
  progress.reset();
  watch.begin(now);
  EXPECT_TRUE(gets_on_after(59s)) << "nothing is known";
  EXPECT_FALSE(gets_on_after(2s));
  watch.end(now);
  watch.begin(now);
  watch.expect(0.05);
  EXPECT_TRUE(gets_on_after(3s));
  EXPECT_FALSE(gets_on_after(2s));
  watch.begin(now);
  watch.expect(1.5);
  EXPECT_TRUE(gets_on_after(14s));
  EXPECT_FALSE(gets_on_after(2s));
  watch.begin(now);
  watch.expect(1000);
  EXPECT_FALSE(gets_on_after(61s));
}

TEST_F(StepWatchTest, WhatWasExpectedIsOfOneStep) {
  progress.reset();
  watch.begin(now);
  watch.expect(0.05);
  watch.end(now);
  watch.begin(now);
  EXPECT_TRUE(gets_on_after(30s));
}

}  // namespace
}  // namespace glimt
