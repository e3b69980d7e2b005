#include "base/machine.h"

#include "base/control_groups.h"

#include <sys/resource.h>
#include <unistd.h>

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#endif
#ifdef __APPLE__
#include <mach-o/dyld.h>
#include <sys/sysctl.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <system_error>
#include <thread>

namespace glimt {
namespace {

namespace fs = std::filesystem;

#ifdef __APPLE__
// A number by its name in sysctl(3); 0 if this machine has none of the name.
std::int64_t system_number(const char* name) {
  std::int64_t value = 0;  // an answer of 32 bits fills the lower half of it
  std::size_t bytes = sizeof value;
  return ::sysctlbyname(name, &value, &bytes, nullptr, 0) == 0 ? value : 0;
}
#endif

// The logical processors that this process may run on.
std::vector<int> allowed_processors() {
  std::vector<int> allowed;
#ifdef __linux__
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) allowed.push_back(cpu);
    }
    return allowed;
  }
#endif
  for (int cpu = 0; cpu < static_cast<int>(std::thread::hardware_concurrency()); ++cpu) allowed.push_back(cpu);
  return allowed;
}

}  // namespace

int usable_cores() {
#ifdef __APPLE__
  // The slow cores would keep the fast ones waiting: a loop ends with its last thread.
  if (const std::int64_t fast = system_number("hw.perflevel0.physicalcpu"); fast > 0) return static_cast<int>(fast);
#endif
  return usable_cores(allowed_processors(), "/");
}

int usable_cores(const std::vector<int>& processors, const fs::path& root) {
  std::set<std::string> cores;  // by the list of their logical processors
  for (const int cpu : processors) {
    std::ifstream file(root / "sys/devices/system/cpu" / ("cpu" + std::to_string(cpu)) /
                       "topology/thread_siblings_list");
    std::string siblings;
    cores.insert(std::getline(file, siblings) ? siblings : std::to_string(cpu));
  }
  const auto count = static_cast<double>(cores.size());
  return std::max(1, static_cast<int>(std::min(count, std::round(group_limits(root).processors))));
}

std::size_t second_level_cache() {
#if defined(__APPLE__)
  return static_cast<std::size_t>(system_number("hw.perflevel0.l2cachesize"));
#elif defined(_SC_LEVEL2_CACHE_SIZE)
  const long bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
#else
  return 0;
#endif
}

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
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &attributes, 0));  // a system that refuses changes nothing
#endif
}

void ask_for_low_priority() {
#ifdef __linux__
  constexpr int kNiceness = 10;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kNiceness);  // of this thread alone
#endif
}

fs::path executable_path() {
#ifdef __APPLE__
  std::string path(4096, '\0');
  auto size = static_cast<std::uint32_t>(path.size());
  if (_NSGetExecutablePath(path.data(), &size) != 0) return {};
  const fs::path executable(path.c_str());
#else
  const fs::path executable("/proc/self/exe");
#endif
  std::error_code error;
  const fs::path real = fs::canonical(executable, error);
  return error ? fs::path() : real;
}

fs::path executable_folder() { return executable_path().parent_path(); }

std::size_t peak_resident_bytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return static_cast<std::size_t>(usage.ru_maxrss);
#else
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace glimt
