#include "base/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>

namespace glimt {
namespace {

#ifdef __linux__

std::size_t number_in(const char* path, std::size_t otherwise) {  // a file that holds one number
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : otherwise;
}

std::size_t mem_available() {
  std::ifstream file("/proc/meminfo");
  for (std::string name, unit; file >> name;) {
    std::size_t kibibytes = 0;
    if (!(file >> kibibytes)) break;
    if (name == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return 0;
}

// Of a container (cgroup v2): its limit less what it has taken.
std::size_t left_in_cgroup() {
  constexpr auto kNone = std::numeric_limits<std::size_t>::max();
  const std::size_t limit = number_in("/sys/fs/cgroup/memory.max", kNone);
  const std::size_t used = number_in("/sys/fs/cgroup/memory.current", 0);
  return limit == kNone ? kNone : limit - std::min(limit, used);
}

#endif

}  // namespace

std::size_t available_memory() {
#ifdef __linux__
  if (const std::size_t available = mem_available(); available > 0) return std::min(available, left_in_cgroup());
#endif
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(size) : 0;
}

std::byte* reserve_aligned(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  bytes = (bytes + page - 1) / page * page;
  void* mapped = ::mmap(nullptr, bytes + kHugePage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* room = static_cast<std::byte*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(room) % kHugePage) % kHugePage;
  if (before > 0) ::munmap(room, before);
  ::munmap(room + before + bytes, kHugePage - before);
  return room + before;
}

}  // namespace glimt
