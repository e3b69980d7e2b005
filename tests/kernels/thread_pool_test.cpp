#include "kernels/cpu/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <set>
#include <thread>
#include <vector>

namespace glimt::cpu {
namespace {

class ThreadPool : public testing::Test {
 protected:
  ~ThreadPool() override { set_threads(all_); }
  const int all_ = threads();
};

TEST_F(ThreadPool, CallsEveryItemOnce) {
  for (const int count : {1, 2, 3, 8}) {
    set_threads(count);
    ASSERT_EQ(threads(), count);
    for (const std::size_t items : {0u, 1u, 2u, 3u, 7u, 8u, 9u, 1000u}) {
      for (int repeat = 0; repeat < 50; ++repeat) {
        std::vector<std::atomic<int>> calls(items + 1);
        parallel_for(items, [&](std::size_t i) { ++calls.at(i); });
        for (std::size_t i = 0; i < items; ++i)
          ASSERT_EQ(calls[i].load(), 1) << items << " items, " << count << " threads";
        ASSERT_EQ(calls[items].load(), 0);
      }
    }
  }
}

TEST_F(ThreadPool, AnItemThatHangsHoldsUpNoOther) {
  constexpr std::size_t kItems = 64;
  for (const int count : {2, 4}) {
    set_threads(count);
    for (const std::size_t slow : {std::size_t{0}, kItems / 2}) {  // where a thread's range begins
      std::atomic<std::size_t> done{0};
      std::atomic<bool> late{false};
      parallel_for(kItems, [&](std::size_t i) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (i == slow && done.load() < kItems - 1 && !late.load()) {
          late.store(std::chrono::steady_clock::now() > deadline);
          std::this_thread::yield();
        }
        ++done;
      });
      EXPECT_FALSE(late.load()) << "nobody took the rest of the range of item " << slow;
    }
  }
}

TEST_F(ThreadPool, CallersTakeTurns) {
  set_threads(3);
  std::atomic<int> calls{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 200; ++repeat) parallel_for(10, [&](std::size_t) { ++calls; });
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls.load(), 4 * 200 * 10);
}

TEST_F(ThreadPool, WakesNobodyForWhatIsNotWorthIt) {
  set_threads(2);
  std::set<std::thread::id> seen;
  std::vector<std::size_t> order;
  parallel_for_if(false, 100, [&](std::size_t i) {
    seen.insert(std::this_thread::get_id());
    order.push_back(i);
  });
  EXPECT_EQ(seen, std::set{std::this_thread::get_id()});
  ASSERT_EQ(order.size(), 100u);
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
  std::atomic<int> calls{0};
  parallel_for_if(true, 100, [&](std::size_t) { ++calls; });
  EXPECT_EQ(calls.load(), 100);
}

TEST_F(ThreadPool, LoopsThatSayWhatTheyReadCallEveryItemOnceAndSayItForEachRange) {
  for (const int count : {1, 2, 3, 8}) {
    set_threads(count);
    for (const std::size_t items : {0u, 1u, 2u, 3u, 9u, 100u}) {
      const std::vector<unsigned char> memory(items * 64);
      for (int repeat = 0; repeat < 20; ++repeat) {
        std::vector<std::atomic<int>> calls(items);
        std::size_t covered = 0;
        parallel_for(
            items, [&](std::size_t i) { ++calls.at(i); },
            [&](std::size_t first, std::size_t last) {
              EXPECT_EQ(first, covered);
              EXPECT_LT(first, last);
              covered = last;
              return Stretch{memory.data() + first * 64, (last - first) * 64};
            });
        EXPECT_EQ(covered, items);
        for (const std::atomic<int>& calls_of : calls) ASSERT_EQ(calls_of.load(), 1);
      }
    }
  }
}

}  // namespace
}  // namespace glimt::cpu
