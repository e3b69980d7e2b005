#include "base/memory.h"

#include "base/control_groups.h"

#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#ifdef __APPLE__
#include <mach/mach.h>
#endif

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>

namespace glimt {
namespace {

// What the kernel says that programs may still take; 0 where it does not say.
std::size_t mem_available(const std::filesystem::path& root) {
#ifdef __APPLE__
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  if (::host_statistics64(::mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count) == 0) {
    const std::size_t left = std::size_t{pages.free_count} + pages.inactive_count + pages.purgeable_count;
    return left * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }
#endif
  std::ifstream file(root / "proc/meminfo");
  for (std::string name, unit; file >> name;) {
    std::size_t kibibytes = 0;
    if (!(file >> kibibytes)) break;
    if (name == "MemAvailable:") return kibibytes * 1024;
    std::getline(file, unit);
  }
  return 0;
}

}  // namespace

std::size_t available_memory(const std::filesystem::path& root) {
  if (const std::size_t available = mem_available(root); available > 0) {
    return std::min(available, group_limits(root).memory_left);
  }
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(size) : 0;
}

void release_unused_memory() {
#ifdef __GLIBC__
  static_cast<void>(::malloc_trim(0));
#endif
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
