#include "engine/workers.h"

#include <gmock/gmock.h>

#include <atomic>
#include <latch>
#include <set>
#include <stdexcept>
#include <system_error>

namespace glimt {
namespace {

// A system that gives so many threads and no more.
StartThread at_most(int threads) {
  return [left = threads](std::function<void()> body) mutable {
    if (left-- <= 0) throw std::system_error(EAGAIN, std::generic_category(), "no thread");
    return std::thread(std::move(body));
  };
}

void expect_all_done(Workers& workers, std::size_t jobs, bool alone = false) {
  std::vector<std::atomic<int>> times(jobs);
  const auto errors = workers.run(
      jobs,
      [&](std::size_t job, std::size_t worker) {
        EXPECT_LT(worker, static_cast<std::size_t>(workers.size()));
        ++times[job];
      },
      alone);
  EXPECT_EQ(errors.size(), jobs);
  for (const auto& error : errors) EXPECT_EQ(error, nullptr);
  for (const auto& count : times) EXPECT_EQ(count, 1);
}

TEST(Workers, EachJobIsDoneOnce) {
  Workers workers(4);
  EXPECT_EQ(workers.size(), 4);
  for (const std::size_t jobs : {0U, 1U, 2U, 3U, 100U}) {
    for (int round = 0; round < 50; ++round) expect_all_done(workers, jobs, round % 5 == 0);
  }
}

TEST(Workers, JobsRunAtOnce) {
  Workers workers(2);
  std::latch both(2);  // a job alone would wait for ever
  workers.run(2, [&](std::size_t, std::size_t) { both.arrive_and_wait(); });
}

TEST(Workers, TheCallerWorksAloneWhereThatIsQuicker) {
  Workers workers(4);
  std::set<std::size_t> who;
  workers.run(
      10, [&](std::size_t, std::size_t worker) { who.insert(worker); }, true);
  EXPECT_THAT(who, testing::ElementsAre(0U));
}

TEST(Workers, AJobThatFailsIsItsOwnAffair) {
  Workers workers(3);
  const auto errors = workers.run(9, [](std::size_t job, std::size_t) {
    if (job % 4 == 1) throw std::runtime_error("job " + std::to_string(job));
  });
  for (std::size_t job = 0; job < errors.size(); ++job) EXPECT_EQ(errors[job] != nullptr, job % 4 == 1) << job;
  EXPECT_THROW(std::rethrow_exception(errors[5]), std::runtime_error);
  expect_all_done(workers, 20);
}

TEST(Workers, WithoutThreadsTheCallerDoesTheWork) {
  Workers none(4, at_most(0));
  EXPECT_EQ(none.size(), 1);
  expect_all_done(none, 10);
  Workers one(4, at_most(1));
  EXPECT_EQ(one.size(), 2);
  expect_all_done(one, 10);
}

}  // namespace
}  // namespace glimt
