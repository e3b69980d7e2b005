#include "base/machine.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

namespace glimt {
namespace {

#if defined(__linux__) && defined(SYS_sched_getattr)

struct Attributes {
  std::uint32_t size = 0, policy = 0;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t turn = 0, deadline = 0, period = 0;
  std::uint32_t util_min = 0, util_max = 0;
};

Attributes attributes() {
  Attributes of_thread;
  ::syscall(SYS_sched_getattr, 0, &of_thread, sizeof of_thread, 0);
  return of_thread;
}

TEST(Scheduling, TurnsAreShortForTheThreadAndThoseItStartsAndTheNicenessStays) {
  const Attributes before = attributes();
  if (before.turn == 0) GTEST_SKIP() << "this system does not tell how long a turn is";
  Attributes asking, started;
  std::thread([&] {
    const auto self = static_cast<id_t>(::syscall(SYS_gettid));
    ASSERT_EQ(::setpriority(PRIO_PROCESS, self, before.nice + 3), 0);
    ask_for_short_turns();
    asking = attributes();
    std::thread([&] { started = attributes(); }).join();
  }).join();
  EXPECT_LT(asking.turn, before.turn);
  EXPECT_EQ(started.turn, asking.turn);
  EXPECT_EQ(asking.policy, before.policy);
  EXPECT_EQ(asking.nice, before.nice + 3);
  EXPECT_EQ(attributes().turn, before.turn) << "of this thread nothing was asked";
}

#endif

}  // namespace
}  // namespace glimt
