// One client with many requests, "bob", beside another, "alice".
#include "engine/scheduler.h"

#include <gmock/gmock.h>

#include <map>
#include <set>
#include <string>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr Scheduler::Time kNever = Scheduler::Time::max();

// Prompts of 10 tokens that take a step, answers that end when the test says so.
class Fixture {
 public:
  explicit Fixture(int max_parallel, int max_queue = 100, int blocks = 1000)
      : scheduler({max_parallel, max_queue, 512, blocks, 16, 0}), available(blocks) {}

  std::optional<Refusal> submit(const std::string& name_space) {
    const SequenceId id = ++last_id;
    const auto refusal = scheduler.submit(id, 10, kNever, name_space);
    if (!refusal) owner[id] = name_space;
    return refusal;
  }
  void submit(const std::string& name_space, int count) {
    for (int i = 0; i < count; ++i) ASSERT_EQ(submit(name_space), std::nullopt);
  }
  Plan plan() {
    Plan plan = scheduler.plan({available,
                                {},
                                [&](SequenceId id) {
                                  return RunningView{0, 1, 1, 10, held[owner.at(id)]};
                                },
                                [&](SequenceId) { return WaitingView{10}; }});
    for (const SequenceId id : plan.preempted) running.erase(id);
    for (const SequenceId id : plan.admitted) running.insert(id);
    for (const auto& ended : plan.ended) running.erase(ended.id);
    return plan;
  }
  void finish(SequenceId id) {
    ASSERT_TRUE(scheduler.finish(id));
    running.erase(id);
  }
  int running_of(const std::string& name_space) const {
    int count = 0;
    for (const SequenceId id : running) count += owner.at(id) == name_space ? 1 : 0;
    return count;
  }

  Scheduler scheduler;
  int available;
  SequenceId last_id = 0;
  std::map<SequenceId, std::string> owner;
  std::map<std::string, int> held;  // blocks of each of its sequences
  std::set<SequenceId> running;
};

TEST(FairShares, AloneOneHasAllSlotsAndTheWholeQueue) {
  Fixture f(4, 10);
  f.submit("bob", 10);
  EXPECT_EQ(f.submit("bob"), Refusal::queue_full);
  f.plan();
  EXPECT_EQ(f.running_of("bob"), 4);
  for (int step = 0; step < 5; ++step) EXPECT_THAT(f.plan().preempted, IsEmpty());
}

TEST(FairShares, AFreeSlotGoesToWhoHasTheFewest) {
  Fixture f(3);
  f.submit("bob", 10);
  f.plan();
  f.submit("alice", 1);
  f.finish(1);
  EXPECT_THAT(f.plan().admitted, ElementsAre(11U)) << "not to bob's fourth, which came earlier";
  f.finish(2);
  EXPECT_THAT(f.plan().admitted, ElementsAre(4U)) << "within a name space the order is that of arrival";
}

TEST(FairShares, EqualOnesTakeTurns) {
  Fixture f(1);
  f.submit("bob", 3);
  f.submit("alice", 3);
  f.submit("carol", 3);
  std::string order;
  for (int i = 0; i < 9; ++i) {
    const Plan plan = f.plan();
    ASSERT_EQ(plan.admitted.size(), 1U);
    order += f.owner.at(plan.admitted[0])[0];
    f.finish(plan.admitted[0]);
  }
  EXPECT_EQ(order, "bacbacbac");
}

TEST(FairShares, SlotsAreSharedAlsoWithThoseWhoComeLater) {
  Fixture f(8);
  f.submit("bob", 50);
  f.plan();
  f.submit("alice", 50);
  const Plan first = f.plan();
  EXPECT_EQ(first.preempted.size(), 1U) << "one a step";
  for (int step = 0; step < 20; ++step) f.plan();
  EXPECT_EQ(f.running_of("bob"), 4);
  EXPECT_EQ(f.running_of("alice"), 4);
  f.submit("carol", 1);
  for (int step = 0; step < 3; ++step) f.plan();
  EXPECT_EQ(f.running_of("carol"), 1);
  EXPECT_TRUE(f.running.contains(1)) << "the oldest is never set back";
  for (int step = 0; step < 5; ++step) EXPECT_THAT(f.plan().preempted, IsEmpty()) << "and then nothing moves";
}

TEST(FairShares, TheOneWhoHoldsMostBlocksMakesRoom) {
  Fixture f(8);
  f.submit("bob", 3);
  f.plan();
  f.submit("alice", 1);
  f.plan();
  f.held = {{"bob", 20}, {"alice", 5}};
  f.available = 0;
  // Every view has a row of room, so none needs a block; take it from the decoders.
  const Plan plan = f.scheduler.plan({0,
                                      {},
                                      [&](SequenceId id) {
                                        return RunningView{0, 1, 0, 10, f.held[f.owner.at(id)]};
                                      },
                                      [&](SequenceId) { return WaitingView{10}; }});
  EXPECT_THAT(plan.preempted, ElementsAre(3U)) << "bob's youngest, not alice's, which is younger";
}

TEST(FairShares, WhoFindsNoBlocksGetsThoseOfAnotherThatHasMore) {
  Fixture f(8, 100, 4);
  f.submit("bob", 4);
  f.plan();
  f.available = 0;
  f.submit("alice", 1);
  EXPECT_THAT(f.plan().preempted, ElementsAre(4U));
  f.available = 1;
  EXPECT_THAT(f.plan().admitted, ElementsAre(5U)) << "alice, not bob's own that was set back";
}

TEST(FairShares, OthersFindPlacesInAFullQueue) {
  Fixture f(1, 16);
  f.submit("bob", 16);
  EXPECT_EQ(f.submit("bob"), Refusal::queue_full);
  EXPECT_EQ(f.submit("alice"), std::nullopt);
  EXPECT_EQ(f.submit("alice"), std::nullopt);
  EXPECT_EQ(f.submit("alice"), Refusal::queue_full) << "an eighth";
  int taken = 18;
  for (int i = 0; i < 100; ++i) taken += f.submit("user " + std::to_string(i)) ? 0 : 1;
  EXPECT_EQ(taken, 32) << "bounded whoever asks";
}

TEST(FairShares, AliceDoesNotWaitForBob) {
  Fixture f(4);
  f.submit("bob", 100);
  f.plan();
  int waited = 0;
  for (int round = 0; round < 20; ++round) {
    f.submit("alice", 1);
    const SequenceId hers = f.last_id;
    for (int step = 0; !f.running.contains(hers); ++step) {
      ASSERT_LT(step, 3) << "steps that she waits";
      f.plan();
      ++waited;
    }
    f.finish(hers);
  }
  EXPECT_LE(waited, 40);
  f.plan();
  f.plan();
  EXPECT_EQ(f.running_of("bob"), 4) << "and he has all when she is gone";
}

// Sequences of "bob" that need what his first one computes let others pass, and come when that is there.
class SharedRows : public testing::Test {
 protected:
  Plan plan() {
    return scheduler_.plan({1000,
                            {},
                            [&](SequenceId) {
                              return RunningView{computed_ ? 0 : 100, 1, 16, 0, 1};
                            },
                            [&](SequenceId) { return WaitingView{10}; },
                            std::nullopt,
                            [&](SequenceId waiting, SequenceId running) {
                              asked_.insert({waiting, running});
                              return !computed_ && same_.contains(waiting) && same_.contains(running);
                            }});
  }
  void submit(SequenceId id, const std::string& name_space, bool same) {
    ASSERT_EQ(scheduler_.submit(id, 10, kNever, name_space), std::nullopt);
    if (same) same_.insert(id);
  }

  Scheduler scheduler_{{3, 100, 512, 1000, 16, 0}};
  std::set<SequenceId> same_;
  std::set<std::pair<SequenceId, SequenceId>> asked_;
  bool computed_ = false;
};

TEST_F(SharedRows, AreComputedOnce) {
  submit(1, "bob", true);
  submit(2, "bob", true);
  submit(3, "bob", true);
  submit(4, "bob", false);
  EXPECT_THAT(plan().admitted, ElementsAre(1U, 4U));
  EXPECT_THAT(plan().admitted, IsEmpty());
  submit(5, "bob", false);
  EXPECT_THAT(plan().admitted, ElementsAre(5U));
  computed_ = true;
  scheduler_.finish(4);
  EXPECT_THAT(plan().admitted, ElementsAre(2U));
  scheduler_.finish(5);
  EXPECT_THAT(plan().admitted, ElementsAre(3U));
}

TEST_F(SharedRows, OfOneThatIsGoneAreNotWaitedFor) {
  submit(1, "bob", true);
  submit(2, "bob", true);
  submit(3, "bob", true);
  EXPECT_THAT(plan().admitted, ElementsAre(1U));
  scheduler_.finish(1);
  EXPECT_THAT(plan().admitted, ElementsAre(2U)) << "the next one computes them";
}

TEST_F(SharedRows, OfAnotherNameSpaceAreNotAskedFor) {
  submit(1, "alice", true);
  submit(2, "bob", true);
  EXPECT_THAT(plan().admitted, ElementsAre(1U, 2U));
  EXPECT_THAT(asked_, IsEmpty());
}

// Who waits for rows wants no slot: nobody is set back for it.
TEST_F(SharedRows, SetNobodyBack) {
  submit(1, "bob", false);
  submit(2, "bob", false);
  submit(3, "alice", true);
  EXPECT_THAT(plan().admitted, ElementsAre(1U, 3U, 2U));
  submit(4, "alice", true);
  EXPECT_THAT(plan().preempted, IsEmpty());
}

}  // namespace
}  // namespace glimt
