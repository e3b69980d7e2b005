#include "kernels/cpu/thread_pool.h"

#include "base/throws.h"

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <string>
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

// Who watches from outside sees that a loop gets on before it has ended.
TEST_F(ThreadPool, CountsTheItemsOfTheCallerWhileTheLoopRuns) {
  for (const int count : {1, 2}) {
    set_threads(count);
    const std::thread::id caller = std::this_thread::get_id();
    const std::uint64_t before = items_done();
    std::uint64_t own = 0;
    parallel_for(1000, [&](std::size_t) {
      if (std::this_thread::get_id() != caller) return;
      EXPECT_EQ(items_done(), before + own);
      ++own;
    });
    if (count == 1) {
      EXPECT_EQ(own, 1000U);
    }
    EXPECT_EQ(items_done(), before + own);
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
              return MemoryRange{memory.data() + first * 64, (last - first) * 64};
            });
        EXPECT_EQ(covered, items);
        for (const std::atomic<int>& calls_of : calls) ASSERT_EQ(calls_of.load(), 1);
      }
    }
  }
}

TEST_F(ThreadPool, RefusesANumberThatIsNotOneToTheMost) {
  for (const int count : {-1, 0, kMostThreads + 1, 4096}) {
    EXPECT_ERROR(set_threads(count), ErrorKind::invalid_request,
                 testing::HasSubstr("must be 1 to 1024, got " + std::to_string(count)));
  }
  EXPECT_EQ(threads(), all_);
}

// Becomes a user for whom the system starts few threads, asks for many, and says with the exit code what happened.
[[noreturn]] void work_with_few_threads() {
  constexpr rlimit kFew{16, 16};
  if (::setrlimit(RLIMIT_NPROC, &kFew) != 0) std::_Exit(10);
  if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) std::_Exit(10);
  set_threads(1000);
  if (threads() == 1000) std::_Exit(10);  // this system does not keep the limit
  std::atomic<int> calls{0};
  parallel_for(5000, [&](std::size_t) { ++calls; });
  std::_Exit(threads() >= 1 && calls.load() == 5000 ? 0 : 1);
}

TEST(ThreadPoolDeathTest, GoesOnWithTheThreadsThatTheSystemStarts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a new process: the forked one would lack this one's threads
  EXPECT_EXIT(
      work_with_few_threads(),
      [](int status) { return WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 10); }, "");
}

}  // namespace
}  // namespace glimt::cpu
