// Each decision by itself, with numbers made up for it. scheduler_simulation_test.cpp runs whole lives.
#include "engine/scheduler.h"

#include "base/throws.h"

#include <limits>
#include <map>
#include <string>

namespace glimt {

void PrintTo(const Plan::Work& work, std::ostream* out) { *out << work.id << ":" << work.tokens; }
bool operator==(const Plan::Work& a, const Plan::Work& b) { return a.id == b.id && a.tokens == b.tokens; }
void PrintTo(const Plan::Ended& end, std::ostream* out) { *out << end.id << ":" << static_cast<int>(end.why); }
bool operator==(const Plan::Ended& a, const Plan::Ended& b) { return a.id == b.id && a.why == b.why; }

namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Ids = std::vector<SequenceId>;
using Work = std::vector<Plan::Work>;

constexpr Scheduler::Time kStart{};

struct Fixture {
  explicit Fixture(SchedulerLimits limits) : scheduler(limits) {}

  // Running sequences do what `running` says; waiting ones are `waiting` tokens with nothing cached.
  Plan plan(int available_blocks, std::chrono::seconds now = {}) {
    return scheduler.plan({available_blocks, kStart + now, [&](SequenceId id) { return running.at(id); },
                           [&](SequenceId id) { return waiting.at(id); }});
  }
  void submit(SequenceId id, int tokens, Scheduler::Time deadline = Scheduler::Time::max()) {
    EXPECT_EQ(scheduler.submit(id, tokens, deadline), std::nullopt);
    waiting[id] = {tokens};
  }
  // Admits ids 1 .. n, which then decode, with a row of room each.
  void run(int n, int decode_tokens = 1) {
    for (int id = 1; id <= n; ++id) submit(static_cast<SequenceId>(id), 1);
    plan(1000);
    for (int id = 1; id <= n; ++id) running[static_cast<SequenceId>(id)] = {0, decode_tokens, 1};
  }

  Scheduler scheduler;
  std::map<SequenceId, RunningView> running;
  std::map<SequenceId, WaitingView> waiting;
};

SchedulerLimits limits(int max_parallel, int step_tokens, int blocks = 1000, int block_tokens = 10) {
  return {max_parallel, 100, step_tokens, blocks, block_tokens, 1};
}

TEST(Scheduler, AnIdleSchedulerPlansNothing) {
  Fixture f(limits(2, 16));
  EXPECT_TRUE(f.plan(10).empty());
}

TEST(Scheduler, ChecksItsLimits) {
  EXPECT_ERROR(Scheduler({0, 1, 8, 8, 8, 0}), ErrorKind::invalid_request, HasSubstr("max_parallel"));
  EXPECT_ERROR(Scheduler({1, 0, 8, 8, 8, 0}), ErrorKind::invalid_request, HasSubstr("max_queue"));
  EXPECT_ERROR(Scheduler({9, 1, 8, 8, 8, 0}), ErrorKind::invalid_request,
               "scheduler: wanted step_tokens of 9 or more, got 8");
  EXPECT_ERROR(Scheduler({1, 1, 8, 0, 8, 0}), ErrorKind::invalid_request, HasSubstr("blocks"));
  EXPECT_ERROR(Scheduler({1, 1, 8, 8, 0, 0}), ErrorKind::invalid_request, HasSubstr("block_tokens"));
  EXPECT_ERROR(Scheduler({1, 1, 8, 8, 8, -1}), ErrorKind::invalid_request, HasSubstr("reserve_blocks"));
}

TEST(Scheduler, RefusesWhatCanNeverFitAndWhatTheQueueCannotHold) {
  Scheduler scheduler({1, 2, 8, 3, 10, 1});
  EXPECT_EQ(scheduler.submit(1, 30), Refusal::too_large);  // no row for the token after it
  EXPECT_EQ(scheduler.submit(1, std::numeric_limits<int>::max()), Refusal::too_large);
  EXPECT_EQ(scheduler.submit(1, 29), std::nullopt);
  EXPECT_EQ(scheduler.submit(2, 1), std::nullopt);
  EXPECT_EQ(scheduler.submit(3, 1), Refusal::queue_full);
  EXPECT_EQ(scheduler.waiting(), 2);
  EXPECT_ERROR(scheduler.submit(1, 5), ErrorKind::internal, HasSubstr("sequence 1 is there already"));
  EXPECT_ERROR(scheduler.submit(4, 0), ErrorKind::internal, HasSubstr("no tokens"));
  EXPECT_TRUE(scheduler.finish(1));
  EXPECT_FALSE(scheduler.finish(1));
  EXPECT_EQ(scheduler.submit(3, 1), std::nullopt);
}

TEST(Scheduler, AdmitsAndStartsInOneStep) {
  Fixture f(limits(2, 16));
  f.submit(7, 20);
  f.submit(8, 3);
  f.submit(9, 3);
  const Plan plan = f.plan(100);
  EXPECT_THAT(plan.admitted, ElementsAre(7U, 8U));
  EXPECT_EQ(plan.prefill, (Work{{7, 13}, {8, 3}}));
  EXPECT_THAT(plan.decode, IsEmpty());
  EXPECT_EQ(f.scheduler.running(), 2);
  EXPECT_EQ(f.scheduler.waiting(), 1);
}

TEST(Scheduler, DecodingComesFirstWithItsDrafts) {
  Fixture f(limits(4, 16));
  f.run(3, 4);
  EXPECT_EQ(f.plan(100).decode, (Work{{1, 4}, {2, 4}, {3, 4}}));
  f.submit(4, 100);
  const Plan plan = f.plan(100);
  EXPECT_EQ(plan.decode, (Work{{1, 4}, {2, 4}, {3, 4}}));
  EXPECT_EQ(plan.prefill, (Work{{4, 4}}));
}

TEST(Scheduler, DraftsLeaveAQuarterOfTheBudgetToPrompts) {
  Fixture f(limits(4, 16));
  f.run(3, 8);
  EXPECT_EQ(f.plan(100).decode, (Work{{1, 8}, {2, 7}, {3, 1}}));
  f.submit(4, 100);
  Plan plan = f.plan(100);
  EXPECT_EQ(plan.decode, (Work{{1, 8}, {2, 3}, {3, 1}}));
  EXPECT_EQ(plan.prefill, (Work{{4, 4}}));
  f.running[4] = {2, 1, 8};
  plan = f.plan(100);
  EXPECT_EQ(plan.decode, (Work{{1, 8}, {2, 5}, {3, 1}}));
  EXPECT_EQ(plan.prefill, (Work{{4, 2}}));
}

TEST(Scheduler, APromptGetsATokenEvenIfEverybodyElseDecodes) {
  Fixture f(limits(4, 4));
  f.run(3, 8);
  f.submit(4, 100);
  const Plan plan = f.plan(100);
  EXPECT_EQ(plan.decode, (Work{{1, 1}, {2, 1}, {3, 1}}));
  EXPECT_EQ(plan.prefill, (Work{{4, 1}}));
}

TEST(Scheduler, HalfForTheOldestPromptTheRestForTheShortest) {
  Fixture f(limits(4, 100));
  for (SequenceId id = 1; id <= 4; ++id) f.submit(id, 900);
  f.plan(1000);
  f.running = {{1, {800, 1, 5}}, {2, {300, 1, 5}}, {3, {30, 1, 5}}, {4, {10, 1, 5}}};
  EXPECT_EQ(f.plan(1000).prefill, (Work{{1, 50}, {2, 10}, {3, 30}, {4, 10}}));
  f.running = {{1, {20, 1, 5}}, {2, {300, 1, 5}}, {3, {300, 1, 5}}, {4, {301, 1, 5}}};
  EXPECT_EQ(f.plan(1000).prefill, (Work{{1, 20}, {2, 80}}));
  f.running = {{1, {300, 1, 5}}, {2, {300, 1, 5}}, {3, {300, 1, 5}}, {4, {300, 1, 5}}};
  EXPECT_EQ(f.plan(1000).prefill, (Work{{1, 100}})) << "equal prompts end one after the other";
}

TEST(Scheduler, AdmissionWaitsForAllBlocksOfThePromptAndTheReserve) {
  Fixture f(limits(4, 100));
  f.run(1);
  f.submit(5, 49);  // 5 blocks with the first answer token; 2 of reserve
  EXPECT_THAT(f.plan(6).admitted, IsEmpty());
  EXPECT_THAT(f.plan(7).admitted, ElementsAre(5U));
}

TEST(Scheduler, BlocksPromisedToARunningPromptAreNotPromisedTwice) {
  Fixture f(limits(4, 10));
  f.submit(1, 99);  // 10 blocks
  f.submit(2, 9);   // 1 block, and 2 of reserve
  EXPECT_THAT(f.plan(12).admitted, ElementsAre(1U));
  f.running[1] = {89, 1, 0};  // 9 more
  EXPECT_THAT(f.plan(11).admitted, IsEmpty());
  EXPECT_THAT(f.plan(12).admitted, ElementsAre(2U));
}

TEST(Scheduler, SharedBlocksCostNothingAndCachedOnesAreTakenAtOnce) {
  Fixture f(limits(4, 100, 100));
  f.run(1);
  f.submit(2, 55);
  f.waiting[2] = {55, 4, 3};  // 6 blocks of which 3 are held anyway, and 2 of reserve
  EXPECT_THAT(f.plan(4).admitted, IsEmpty());
  Plan plan = f.plan(5);
  EXPECT_THAT(plan.admitted, ElementsAre(2U));
  EXPECT_EQ(plan.prefill, (Work{{2, 15}}));
}

TEST(Scheduler, TheFirstOneNeedsNoReserve) {
  Fixture f(limits(4, 100, 3));
  f.submit(1, 29);
  EXPECT_THAT(f.plan(2).admitted, IsEmpty());
  EXPECT_THAT(f.plan(3).admitted, ElementsAre(1U));
}

TEST(Scheduler, NobodyPassesTheHeadOfTheQueue) {
  Fixture f(limits(4, 100));
  f.run(1);
  f.submit(2, 500);
  f.submit(3, 1);
  EXPECT_THAT(f.plan(20).admitted, IsEmpty());
  EXPECT_TRUE(f.scheduler.finish(2));
  EXPECT_THAT(f.plan(20).admitted, ElementsAre(3U));
}

TEST(Scheduler, DraftsShrinkToTheBlocksThatAreThere) {
  Fixture f(limits(2, 100));
  f.run(2);
  f.running = {{1, {0, 30, 4}}, {2, {0, 30, 0}}};
  EXPECT_EQ(f.plan(2).decode, (Work{{1, 14}, {2, 10}}));
  EXPECT_EQ(f.plan(1).decode, (Work{{1, 4}, {2, 10}}));
}

TEST(Scheduler, WithoutABlockTheYoungestIsSetBackAndComesBackFirst) {
  Fixture f(limits(3, 100, 20));
  f.run(3);
  f.submit(4, 1);
  f.running = {{1, {0, 1, 0}}, {2, {0, 1, 1}}, {3, {0, 1, 1}}};
  Plan plan = f.plan(0);
  EXPECT_THAT(plan.preempted, ElementsAre(3U));
  EXPECT_EQ(plan.decode, (Work{{2, 1}})) << "the first one waits a step for the blocks";
  EXPECT_THAT(plan.admitted, IsEmpty());

  f.waiting[3] = {5};
  plan = f.plan(5);
  EXPECT_EQ(plan.decode, (Work{{1, 1}, {2, 1}}));
  EXPECT_THAT(plan.admitted, ElementsAre(3U));
}

TEST(Scheduler, TheYoungestIsSetBackAlsoForItsOwnSake) {
  Fixture f(limits(2, 100));
  f.run(2);
  f.running = {{1, {0, 1, 1}}, {2, {0, 1, 0}}};
  const Plan plan = f.plan(0);
  EXPECT_THAT(plan.preempted, ElementsAre(2U));
  EXPECT_EQ(plan.decode, (Work{{1, 1}}));
}

TEST(Scheduler, SeveralSetBackKeepTheirOrder) {
  Fixture f(limits(4, 100, 20));
  f.run(4);
  for (auto& [id, view] : f.running) view.room = 0;
  f.submit(5, 1);
  EXPECT_THAT(f.plan(0).preempted, ElementsAre(4U));
  EXPECT_THAT(f.plan(0).preempted, ElementsAre(3U));
  for (auto& [id, view] : f.running) view.room = 1;
  EXPECT_THAT(f.plan(20).admitted, ElementsAre(3U, 4U));
}

TEST(Scheduler, OnlyTheOldestPromptMayPushOthersAside) {
  Fixture f(limits(3, 100));
  f.run(3);
  f.running = {{1, {0, 1, 1}}, {2, {50, 1, 0}}, {3, {0, 1, 1}}};
  Plan plan = f.plan(0);
  EXPECT_THAT(plan.preempted, IsEmpty());
  EXPECT_THAT(plan.prefill, IsEmpty());
  EXPECT_EQ(plan.decode, (Work{{1, 1}, {3, 1}}));
  f.running = {{1, {50, 1, 0}}, {2, {0, 1, 1}}, {3, {0, 1, 1}}};
  plan = f.plan(0);
  EXPECT_THAT(plan.preempted, ElementsAre(3U));
}

TEST(Scheduler, TheOldestPromptTakesTheLastBlock) {
  Fixture f(limits(2, 100));
  f.run(2);
  f.running = {{1, {50, 1, 0}}, {2, {0, 1, 0}}};
  const Plan plan = f.plan(1);
  EXPECT_EQ(plan.prefill, (Work{{1, 10}}));
  EXPECT_THAT(plan.preempted, ElementsAre(2U));
}

TEST(Scheduler, OneThatFillsThePoolAloneIsEnded) {
  Fixture f(limits(2, 100));
  f.run(1);
  f.running[1].room = 0;
  const Plan plan = f.plan(0);
  EXPECT_THAT(plan.ended, ElementsAre(Plan::Ended{1, Refusal::out_of_blocks}));
  EXPECT_THAT(plan.decode, IsEmpty());
  EXPECT_EQ(f.scheduler.running(), 0);
}

TEST(Scheduler, OneThatGrewTooLargeWhileItSharedIsEndedInTheQueue) {
  Fixture f(limits(2, 100, 4));
  f.run(2);
  f.running[2].room = 0;
  EXPECT_THAT(f.plan(0).preempted, ElementsAre(2U));
  f.waiting[2] = {40, 3, 3};
  f.submit(3, 1);
  const Plan plan = f.plan(4);
  EXPECT_THAT(plan.ended, ElementsAre(Plan::Ended{2, Refusal::out_of_blocks}));
  EXPECT_THAT(plan.admitted, ElementsAre(3U));
}

TEST(Scheduler, DeadlinesEndTheWaitingAndTheRunning) {
  Fixture f(limits(1, 100));
  f.submit(1, 5, kStart + std::chrono::seconds(2));
  f.submit(2, 5, kStart + std::chrono::seconds(1));
  f.submit(3, 5);
  EXPECT_THAT(f.plan(100).admitted, ElementsAre(1U));
  f.running[1] = {0, 1, 5};
  EXPECT_THAT(f.plan(100, std::chrono::seconds(1)).ended, ElementsAre(Plan::Ended{2, Refusal::expired}));
  const Plan plan = f.plan(100, std::chrono::seconds(3));
  EXPECT_THAT(plan.ended, ElementsAre(Plan::Ended{1, Refusal::expired}));
  EXPECT_THAT(plan.decode, IsEmpty());
  EXPECT_THAT(plan.admitted, ElementsAre(3U));
}

TEST(Scheduler, NobodyIsSetBackWhenAnExpiredOneLeavesItsBlocks) {
  Fixture f(limits(3, 100));
  f.submit(9, 1, kStart + std::chrono::seconds(1));
  f.run(2);
  f.running[9] = {0, 1, 1};
  f.running[1].room = f.running[2].room = 0;
  Plan plan = f.plan(0, std::chrono::seconds(1));
  EXPECT_THAT(plan.ended, ElementsAre(Plan::Ended{9, Refusal::expired}));
  EXPECT_THAT(plan.preempted, IsEmpty());
  f.submit(10, 1, kStart + std::chrono::seconds(2));
  plan = f.plan(0, std::chrono::seconds(2));
  EXPECT_THAT(plan.ended, ElementsAre(Plan::Ended{10, Refusal::expired})) << "it waited: it leaves none";
  EXPECT_THAT(plan.preempted, ElementsAre(2U));
}

TEST(Scheduler, TheTokenOfOneThatIsSetBackGoesToOthers) {
  Fixture f(limits(3, 4));
  f.run(3);
  f.running = {{1, {0, 1, 0}}, {2, {0, 8, 9}}, {3, {0, 1, 1}}};
  EXPECT_EQ(f.plan(0).decode, (Work{{2, 4}}));
}

TEST(Scheduler, ThoseSetBackTakeNoPlaceInTheQueue) {
  Fixture f({2, 1, 16, 100, 10, 1});
  f.submit(1, 1);
  f.plan(100);
  f.running[1] = {0, 1, 0};
  f.submit(2, 1);
  f.plan(100);
  f.running[2] = {0, 1, 0};
  EXPECT_THAT(f.plan(0).preempted, ElementsAre(2U));
  f.submit(3, 1);
  EXPECT_EQ(f.scheduler.submit(4, 1), Refusal::queue_full);
}

}  // namespace
}  // namespace glimt
