#include "base/scheduling.h"

#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace glimt {

void ask_for_short_turns() {
#if defined(__linux__) && defined(SYS_sched_setattr)
  constexpr std::uint64_t kTurn = 300'000;  // nanoseconds; the system's own are some milliseconds
  struct {  // struct sched_attr of linux/sched/types.h, which no C library declared for long
    std::uint32_t size = 0, policy = 0;
    std::uint64_t flags = 0x08;  // SCHED_FLAG_KEEP_POLICY
    std::int32_t nice = 0;
    std::uint32_t priority = 0;
    std::uint64_t runtime = kTurn, deadline = 0, period = 0;
    std::uint32_t util_min = 0, util_max = 0;
  } attributes;
  attributes.size = sizeof attributes;
  attributes.nice = ::getpriority(PRIO_PROCESS, 0);
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));  // who refuses goes on as before
#endif
}

}  // namespace glimt
