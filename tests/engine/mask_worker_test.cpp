#include "engine/mask_worker.h"

#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <system_error>

namespace glimt {
namespace {

using Clock = MaskWorker::Clock;

Clock::time_point soon() { return Clock::now() + std::chrono::milliseconds(5); }
Clock::time_point late() { return Clock::now() + std::chrono::seconds(60); }

StartThread at_most(int threads) {
  return [left = threads](std::function<void()> body) mutable {
    if (left-- <= 0) throw std::system_error(EAGAIN, std::generic_category(), "no thread");
    return std::thread(std::move(body));
  };
}

// A computation that ends when the test says so.
class Gate {
 public:
  std::function<std::size_t()> job() {
    return [open = open_] {
      open.wait();
      return std::size_t{7};
    };
  }
  void open() { promise_.set_value(); }

 private:
  std::promise<void> promise_;
  std::shared_future<void> open_ = promise_.get_future().share();
};

TEST(MaskWorker, GivesWhatTheWorkReturnsOrThrows) {
  MaskWorker worker;
  const auto good = worker.start([] { return std::size_t{3}; }, false);
  const auto bad = worker.start([]() -> std::size_t { throw std::runtime_error("broken"); }, false);
  ASSERT_TRUE(worker.wait(good, late()));
  ASSERT_TRUE(worker.wait(bad, late()));
  EXPECT_EQ(MaskWorker::result(*good), 3U);
  EXPECT_GE(MaskWorker::seconds(*good), 0);
  EXPECT_THROW(MaskWorker::result(*bad), std::runtime_error);
}

TEST(MaskWorker, NobodyWaitsLongerThanTheDeadline) {
  MaskWorker worker;
  Gate gate;
  const auto job = worker.start(gate.job(), false);
  EXPECT_FALSE(worker.wait(job, soon()));
  EXPECT_FALSE(worker.is_done(job));
  gate.open();
  EXPECT_TRUE(worker.wait(job, late()));
  EXPECT_TRUE(worker.is_done(job));
  EXPECT_EQ(MaskWorker::result(*job), 7U);
}

TEST(MaskWorker, SlowOnesDoNotKeepQuickOnesWaiting) {
  MaskWorker worker;
  Gate gate;
  std::vector<std::shared_ptr<MaskJob>> slow;
  for (int i = 0; i < 5; ++i) slow.push_back(worker.start(gate.job(), true));
  EXPECT_FALSE(worker.wait(slow[0], soon()));
  for (int i = 0; i < 20; ++i) {
    const auto quick = worker.start([] { return std::size_t{1}; }, false);
    EXPECT_TRUE(worker.wait(quick, late()));
  }
  gate.open();
  for (const auto& job : slow) EXPECT_TRUE(worker.wait(job, late()));
}

TEST(MaskWorker, WhatNobodyWaitsForIsNotComputed) {
  MaskWorker worker(at_most(1));
  Gate gate;
  std::atomic<int> computed = 0;
  const auto first = worker.start(gate.job(), false);
  EXPECT_FALSE(worker.wait(first, soon()));
  worker.start([&] { return static_cast<std::size_t>(++computed); },
               false);  // its sequence has ended
  const auto last = worker.start([] { return std::size_t{1}; }, false);
  gate.open();
  EXPECT_TRUE(worker.wait(last, late()));
  EXPECT_EQ(computed, 0);
}

TEST(MaskWorker, WaitsForAnyUntilOneEnds) {
  MaskWorker worker;
  worker.wait_for_any(late());  // there is none
  Gate first, second;
  const auto a = worker.start(first.job(), true);
  const auto b = worker.start(second.job(), false);
  worker.wait_for_any(soon());
  EXPECT_FALSE(worker.is_done(a) || worker.is_done(b));
  std::thread opener([&] { second.open(); });
  while (!worker.is_done(b)) worker.wait_for_any(late());
  opener.join();
  first.open();
}

TEST(MaskWorker, WithoutAThreadWhoWaitsDoesTheWork) {
  MaskWorker worker(at_most(0));
  const auto here = std::this_thread::get_id();
  std::thread::id there;
  const auto job = worker.start([&] { return there = std::this_thread::get_id(), std::size_t{2}; }, true);
  EXPECT_TRUE(worker.wait(job, soon()));
  EXPECT_EQ(there, here);
  EXPECT_EQ(MaskWorker::result(*job), 2U);
}

TEST(MaskWorker, OneThreadDoesAll) {
  MaskWorker worker(at_most(1));
  const auto slow = worker.start([] { return std::size_t{1}; }, true);
  const auto quick = worker.start([] { return std::size_t{2}; }, false);
  EXPECT_TRUE(worker.wait(slow, late()));
  EXPECT_TRUE(worker.wait(quick, late()));
}

TEST(MaskWorker, EndsWithJobsInItsQueue) {
  Gate gate;
  auto worker = std::make_unique<MaskWorker>(at_most(1));
  const auto running = worker->start(gate.job(), false);
  const auto queued = worker->start(gate.job(), false);
  gate.open();
  worker.reset();
  EXPECT_NE(queued, nullptr);
}

}  // namespace
}  // namespace glimt
