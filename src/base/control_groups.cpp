#include "base/control_groups.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {
namespace {

namespace fs = std::filesystem;

// Version 1 writes 2^63 - 4096 for "no limit"; no machine has an exbibyte.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

// A mounted hierarchy: the group `group` of it is seen at `point`.
struct Mount {
  fs::path point;
  std::string group;
};

// Those that limit memory and CPU time; the second version has one hierarchy for both.
struct Hierarchies {
  std::optional<Mount> memory, cpu, unified;
};

// The groups of this process by controller; "" is the second version's.
using Groups = std::map<std::string, std::string>;

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream{std::string(text)};
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// The kernel writes a blank in a path as \040, and so on.
std::string unescaped(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 4], is_octal)) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// Lines "5:cpu,cpuacct:/user.slice" and "0::/user.slice".
Groups read_groups(const fs::path& root) {
  Groups groups;
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), group = line.substr(second + 1);
    if (controllers.empty()) groups[""] = group;
    for (const std::string& controller : split(controllers, ',')) groups[controller] = group;
  }
  return groups;
}

// Lines "35 31 0:32 /group /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory" (proc(5)).
Hierarchies read_mounts(const fs::path& root) {
  Hierarchies found;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    const std::vector<std::string> before = split(std::string_view(line).substr(0, dash), ' ');
    const std::vector<std::string> behind = split(std::string_view(line).substr(dash + 3), ' ');
    if (before.size() < 5 || behind.size() < 3) continue;
    const Mount mount{root / fs::path(unescaped(before[4])).relative_path(), unescaped(before[3])};
    const std::vector<std::string> options = split(behind[2], ',');
    const auto controls = [&](const char* name) {
      return behind[0] == "cgroup" && std::find(options.begin(), options.end(), name) != options.end();
    };
    if (behind[0] == "cgroup2" && !found.unified) found.unified = mount;
    if (controls("memory") && !found.memory) found.memory = mount;
    if (controls("cpu") && !found.cpu) found.cpu = mount;
  }
  return found;
}

// The folders of a group and of all above it that can be seen, the group's own first.
std::vector<fs::path> levels(const Mount& mount, const std::string& group) {
  std::vector<fs::path> folders;
  const std::string& base = mount.group;  // in a container without a name space of its own, its group
  const bool below = base == "/" || group == base || group.starts_with(base + "/");
  const std::string rest = !below ? "" : base == "/" ? group : group.substr(base.size());
  if (rest.find("..") == std::string::npos) {  // "/../other": outside of what this name space shows
    for (fs::path path = fs::path(rest).relative_path(); !path.empty(); path = path.parent_path()) {
      folders.push_back(mount.point / path);
    }
  }
  folders.push_back(mount.point);
  return folders;
}

// The number that a file begins with; nothing for "max", -1, or no file.
std::optional<std::uint64_t> number_in(const fs::path& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  if (!(file >> value) || value < 0) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

// The sum of these lines of a memory.stat, "name bytes" each.
std::uint64_t stat_sum(const fs::path& path, std::initializer_list<std::string_view> names) {
  std::ifstream file(path);
  std::uint64_t sum = 0, value = 0;
  for (std::string name; file >> name >> value;) {
    if (std::find(names.begin(), names.end(), name) != names.end()) sum += value;
  }
  return sum;
}

std::size_t left_of(std::uint64_t limit, std::uint64_t used, std::uint64_t page_cache) {
  const std::uint64_t held = used - std::min(used, page_cache);
  return limit >= kNoLimit ? std::numeric_limits<std::size_t>::max()
                           : static_cast<std::size_t>(limit - std::min(limit, held));
}

std::size_t memory_left_v1(const fs::path& group) {
  // A container does not see the groups above its own, but its statistics name the least of their limits.
  const std::uint64_t above = stat_sum(group / "memory.stat", {"hierarchical_memory_limit"});
  const std::uint64_t limit =
      std::min(number_in(group / "memory.limit_in_bytes").value_or(kNoLimit), above > 0 ? above : kNoLimit);
  return left_of(limit, number_in(group / "memory.usage_in_bytes").value_or(0),
                 stat_sum(group / "memory.stat", {"total_inactive_file", "total_active_file"}));
}

std::size_t memory_left_v2(const fs::path& group) {
  const std::uint64_t limit =
      std::min(number_in(group / "memory.max").value_or(kNoLimit), number_in(group / "memory.high").value_or(kNoLimit));
  return left_of(limit, number_in(group / "memory.current").value_or(0),
                 stat_sum(group / "memory.stat", {"inactive_file", "active_file"}));
}

double quota(std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period) {
  if (!quota || !period || *quota == 0 || *period == 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(*quota) / static_cast<double>(*period);
}

double processors_v1(const fs::path& group) {
  return quota(number_in(group / "cpu.cfs_quota_us"), number_in(group / "cpu.cfs_period_us"));
}

double processors_v2(const fs::path& group) {  // "150000 100000" or "max 100000"
  std::ifstream file(group / "cpu.max");
  std::uint64_t time = 0, period = 0;
  if (!(file >> time >> period)) return std::numeric_limits<double>::infinity();
  return quota(time, period);
}

}  // namespace

GroupLimits group_limits(const fs::path& root) {
  const Groups groups = read_groups(root);
  const Hierarchies mounts = read_mounts(root);
  GroupLimits limits;
  const auto each = [&](const std::optional<Mount>& mount, const char* controller, auto&& look) {
    const auto group = groups.find(controller);
    if (!mount || group == groups.end()) return;
    for (const fs::path& folder : levels(*mount, group->second)) look(folder);
  };
  const auto memory = [&](std::size_t left) { limits.memory_left = std::min(limits.memory_left, left); };
  const auto cpu = [&](double processors) { limits.processors = std::min(limits.processors, processors); };
  each(mounts.memory, "memory", [&](const fs::path& folder) { memory(memory_left_v1(folder)); });
  each(mounts.cpu, "cpu", [&](const fs::path& folder) { cpu(processors_v1(folder)); });
  each(mounts.unified, "", [&](const fs::path& folder) {
    memory(memory_left_v2(folder));
    cpu(processors_v2(folder));
  });
  return limits;
}

}  // namespace glimt
