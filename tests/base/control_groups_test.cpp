#include "base/control_groups.h"

#include "base/machine.h"
#include "base/memory.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "base/temporary_folder.h"

namespace glimt {
namespace {

constexpr std::size_t kMegabyte = 1'000'000;
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
constexpr double kAllProcessors = std::numeric_limits<double>::infinity();

using Files = std::map<std::string, std::string>;

// A system of these files.
class System {
 public:
  explicit System(const Files& files) {
    for (const auto& [name, content] : files) folder_.write(name, content);
  }
  GroupLimits limits() const { return group_limits(folder_.path()); }
  const std::filesystem::path& root() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

const std::string kUnifiedMount = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw\n";
const std::string kMemoryMount = "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n";
const std::string kCpuMount = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n";

TEST(ControlGroups, NoneLimitNothing) {
  const auto expect_none = [](const Files& files) {
    const GroupLimits limits = System(files).limits();
    EXPECT_EQ(limits.memory_left, kNoLimit);
    EXPECT_EQ(limits.processors, kAllProcessors);
  };
  expect_none({});
  expect_none({{"proc/self/cgroup", "0::/\n"}, {"proc/self/mountinfo", kUnifiedMount}});
  expect_none({{"proc/self/cgroup", "0::/a\n"},
               {"proc/self/mountinfo", kUnifiedMount},
               {"sys/fs/cgroup/a/memory.max", "max\n"},
               {"sys/fs/cgroup/a/cpu.max", "max 100000\n"}});
  expect_none({{"proc/self/cgroup", "4:memory:/a\n1:cpu:/a\n"},
               {"proc/self/mountinfo", kMemoryMount + kCpuMount},
               {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n"},
               {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n"},
               {"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"}});
}

TEST(ControlGroups, TheSecondVersionLimitsAtEveryLevel) {
  const Files files = {{"proc/self/cgroup", "0::/outer/inner/leaf\n"},
                       {"proc/self/mountinfo", kUnifiedMount},
                       {"sys/fs/cgroup/outer/memory.max", "900000000\n"},
                       {"sys/fs/cgroup/outer/memory.current", "300000000\n"},
                       {"sys/fs/cgroup/outer/cpu.max", "150000 100000\n"},
                       {"sys/fs/cgroup/outer/inner/memory.max", "max\n"},
                       {"sys/fs/cgroup/outer/inner/leaf/memory.max", "800000000\n"},
                       {"sys/fs/cgroup/outer/inner/leaf/memory.current", "100000000\n"},
                       {"sys/fs/cgroup/outer/inner/leaf/cpu.max", "400000 100000\n"}};
  EXPECT_EQ(System(files).limits().memory_left, 600 * kMegabyte) << "the outer one has less left";
  EXPECT_EQ(System(files).limits().processors, 1.5);

  Files throttled = files;
  throttled["sys/fs/cgroup/outer/inner/memory.high"] = "250000000\n";
  EXPECT_EQ(System(throttled).limits().memory_left, 250 * kMegabyte) << "beyond it the system slows the group down";
}

TEST(ControlGroups, TheFirstVersionLimitsAtEveryLevel) {
  const System system({{"proc/self/cgroup", "4:memory:/job/step\n1:cpu,cpuacct:/job/step\n0::/\n"},
                       {"proc/self/mountinfo",
                        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" + kCpuMount + kMemoryMount + kUnifiedMount},
                       {"sys/fs/cgroup/memory/job/memory.limit_in_bytes", "512000000\n"},
                       {"sys/fs/cgroup/memory/job/memory.usage_in_bytes", "12000000\n"},
                       {"sys/fs/cgroup/memory/job/step/memory.limit_in_bytes", "9223372036854771712\n"},
                       {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n"},
                       {"sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n"}});
  EXPECT_EQ(system.limits().memory_left, 500 * kMegabyte);
  EXPECT_EQ(system.limits().processors, 2.5);
}

TEST(ControlGroups, PageCacheThatCanBeDroppedIsFree) {
  EXPECT_EQ(System({{"proc/self/cgroup", "0::/a\n"},
                    {"proc/self/mountinfo", kUnifiedMount},
                    {"sys/fs/cgroup/a/memory.max", "1000000000\n"},
                    {"sys/fs/cgroup/a/memory.current", "900000000\n"},
                    {"sys/fs/cgroup/a/memory.stat", "anon 1\ninactive_file 500000000\nactive_file 100000000\n"}})
                .limits()
                .memory_left,
            700 * kMegabyte);
  EXPECT_EQ(System({{"proc/self/cgroup", "4:memory:/a\n"},
                    {"proc/self/mountinfo", kMemoryMount},
                    {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "1000000000\n"},
                    {"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "900000000\n"},
                    {"sys/fs/cgroup/memory/a/memory.stat",
                     "inactive_file 1\ntotal_inactive_file 500000000\ntotal_active_file 100000000\n"}})
                .limits()
                .memory_left,
            700 * kMegabyte);
}

TEST(ControlGroups, AContainerSeesItsOwnGroupAtTheMount) {
  // Without a name space of its own the container knows the host's path, and the mount shows that group as its root.
  const std::string mount = "9 8 0:3 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
  const Files files = {{"proc/self/mountinfo", mount},
                       {"sys/fs/cgroup/memory/memory.limit_in_bytes", "300000000\n"},
                       {"sys/fs/cgroup/memory/below/memory.limit_in_bytes", "200000000\n"}};
  const auto left = [&](const std::string& group) {
    Files all = files;
    all["proc/self/cgroup"] = "4:memory:" + group + "\n";
    return System(all).limits().memory_left;
  };
  EXPECT_EQ(left("/docker/abc"), 300 * kMegabyte);
  EXPECT_EQ(left("/docker/abc/below"), 200 * kMegabyte);
  EXPECT_EQ(left("/docker/abcdef/below"), 300 * kMegabyte) << "another group: what can be seen counts";
  EXPECT_EQ(left("/../../elsewhere"), 300 * kMegabyte);
}

TEST(ControlGroups, AboveWhatIsSeenTheLimitStandsInTheStatistics) {
  EXPECT_EQ(System({{"proc/self/cgroup", "4:memory:/\n"},
                    {"proc/self/mountinfo", kMemoryMount},
                    {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
                    {"sys/fs/cgroup/memory/memory.usage_in_bytes", "100000000\n"},
                    {"sys/fs/cgroup/memory/memory.stat", "cache 5\nhierarchical_memory_limit 400000000\n"}})
                .limits()
                .memory_left,
            300 * kMegabyte);
}

TEST(ControlGroups, MountPointsWithBlanksAndGroupsWithColonsAreRead) {
  EXPECT_EQ(System({{"proc/self/cgroup", "0::/a:b c\n"},
                    {"proc/self/mountinfo", "9 8 0:3 / /my\\040groups rw - cgroup2 none rw\n"},
                    {"my groups/a:b c/memory.max", "7000000\n"}})
                .limits()
                .memory_left,
            7 * kMegabyte);
}

TEST(ControlGroups, LinesOfNoFormLimitNothing) {
  EXPECT_EQ(System({{"proc/self/cgroup", "\n:\n0:\nnonsense\n0::/a\n"},
                    {"proc/self/mountinfo", " - \n1 2 3 - cgroup2\n - cgroup2 x y\n" + kUnifiedMount},
                    {"sys/fs/cgroup/a/memory.max", "many\n"},
                    {"sys/fs/cgroup/memory.max", "-5\n"},
                    {"sys/fs/cgroup/a/cpu.max", "100000 0\n"}})
                .limits()
                .memory_left,
            kNoLimit);
}

TEST(AvailableMemory, IsWhatTheGroupLeavesOfTheMachine) {
  Files files = {{"proc/meminfo", "MemTotal:  9000000 kB\nMemFree: 1 kB\nMemAvailable:  2000000 kB\n"}};
  EXPECT_EQ(available_memory(System(files).root()), 2'048'000'000U);
  files["proc/self/cgroup"] = "4:memory:/job\n";
  files["proc/self/mountinfo"] = kMemoryMount;
  files["sys/fs/cgroup/memory/job/memory.limit_in_bytes"] = "512000000\n";
  EXPECT_EQ(available_memory(System(files).root()), 512 * kMegabyte);
}

TEST(UsableCores, CountsCoresAndNotTheirThreads) {
  Files files;
  for (int cpu = 0; cpu < 8; ++cpu) {
    const int core = cpu % 4;
    files["sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list"] =
        std::to_string(core) + "," + std::to_string(core + 4) + "\n";
  }
  const System system(files);
  EXPECT_EQ(usable_cores({0, 1, 2, 3, 4, 5, 6, 7}, system.root()), 4);
  EXPECT_EQ(usable_cores({1, 5}, system.root()), 1);
  EXPECT_EQ(usable_cores({0, 1, 9}, system.root()), 3) << "a processor that the system does not describe is a core";
  EXPECT_EQ(usable_cores({}, system.root()), 1);
}

TEST(UsableCores, AreNoMoreThanTheGroupPaysFor) {
  const auto cores = [](const std::string& quota) {
    const System system({{"proc/self/cgroup", "0::/a\n"},
                         {"proc/self/mountinfo", kUnifiedMount},
                         {"sys/fs/cgroup/a/cpu.max", quota + " 100000\n"}});
    return usable_cores({0, 1, 2, 3}, system.root());
  };
  EXPECT_EQ(cores("max"), 4);
  EXPECT_EQ(cores("200000"), 2);
  EXPECT_EQ(cores("260000"), 3);
  EXPECT_EQ(cores("120000"), 1);
  EXPECT_EQ(cores("5000"), 1);
  EXPECT_EQ(cores("9900000"), 4);
}

TEST(UsableCores, AreThoseOfThisMachine) {
  EXPECT_GE(usable_cores(), 1);
  EXPECT_LE(usable_cores(), 4096);
}

TEST(Machine, KnowsWhereThisProgramIs) {
  EXPECT_TRUE(std::filesystem::exists(executable_folder() / "base_test"));
  EXPECT_GT(peak_resident_bytes(), std::size_t{1} << 20);
}

}  // namespace
}  // namespace glimt
