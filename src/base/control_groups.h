// What Linux control groups leave to this process: containers, systemd's units and batch systems set such limits. Both
// versions, and every level from the process' own group up to the root of what it can see.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>

namespace glimt {

struct GroupLimits {
  // Bytes that may still be taken, least of all levels; what the group's page cache can give back counts as free.
  std::size_t memory_left = std::numeric_limits<std::size_t>::max();
  // CPU time per time, least of all levels: 1.5 is one and a half processors.
  double processors = std::numeric_limits<double>::infinity();
};

// Reads proc/self/cgroup, proc/self/mountinfo and the files of the groups under `root`. What is missing or not
// understood limits nothing: limits of a system without control groups are the defaults.
GroupLimits group_limits(const std::filesystem::path& root = "/");

}  // namespace glimt
