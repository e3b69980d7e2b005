#include "base/huge_pages.h"

#include "base/machine.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>
#include <string>

namespace glimt {
namespace {

#ifdef __linux__

constexpr std::size_t kPagesAtOnce = 16;  // some milliseconds
constexpr std::chrono::milliseconds kShortestPause{1000},
    kLongestPause{30000};  // before looking again for what was read

bool system_has_huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
}

// Whether the huge page at this address of a mapped file is in the page cache, as far as the system tells.
bool is_in_memory(std::byte* at) {
  std::array<unsigned char, kHugePage / 4096> pages{};  // a larger page size fills less of it
  if (::mincore(at, kHugePage, pages.data()) != 0) return false;
  const auto count = static_cast<std::ptrdiff_t>(kHugePage / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  return std::all_of(pages.begin(), pages.begin() + count, [](unsigned char page) { return (page & 1) != 0; });
}

// Copies `bytes` (whole huge pages) to where they are. False if the system refuses.
bool move_piece(std::byte* at, std::size_t bytes) {
  std::byte* piece = reserve_aligned(bytes);
  if (piece == nullptr) return false;
  if (::mprotect(piece, bytes, PROT_READ | PROT_WRITE) == 0 && ::madvise(piece, bytes, MADV_HUGEPAGE) == 0) {
    std::memcpy(piece, at, bytes);
    const bool moved = ::mprotect(piece, bytes, PROT_READ) == 0 &&
                       ::mremap(piece, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) != MAP_FAILED;
    if (moved) return true;
  }
  ::munmap(piece, bytes);
  return false;
}

#endif

}  // namespace

HugePages::HugePages(std::vector<std::shared_ptr<const MappedFile>> files, Unread unread,
                     std::function<std::size_t()> memory_left)
    : files_(std::move(files)), unread_(unread), memory_left_(std::move(memory_left)) {
  thread_ = std::thread([this] {
    move_all();
    const std::lock_guard lock(mutex_);
    looked_at_all_ = true;
    changed_.notify_all();
  });
}

HugePages::~HugePages() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  changed_.notify_all();
  thread_.join();
}

void HugePages::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return looked_at_all_; });
}

bool HugePages::stopped_within(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  looked_at_all_ = true;
  changed_.notify_all();
  return changed_.wait_for(lock, time, [this] { return stop_.load(); });
}

void HugePages::move_all() {
#ifdef __linux__
  std::size_t total = 0, whole = 0;
  std::vector<std::vector<bool>> moved;
  for (const auto& file : files_) {
    total += file->size();
    moved.emplace_back(file->size() / kHugePage);
    whole += moved.back().size() * kHugePage;
  }
  if (!system_has_huge_pages() || memory_left_() < total + kReserve) return;
  ask_for_low_priority();
  std::chrono::milliseconds pause = kShortestPause;
  for (;;) {
    const std::size_t before = moved_bytes();
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (!move_file(*files_[i], moved[i])) return;
    }
    if (moved_bytes() == whole) return;
    pause = moved_bytes() > before ? kShortestPause : std::min(2 * pause, kLongestPause);
    if (stopped_within(pause)) return;
  }
#endif
}

// False if that was all.
bool HugePages::move_file([[maybe_unused]] const MappedFile& file, [[maybe_unused]] std::vector<bool>& moved) {
#ifdef __linux__
  std::byte* const start = const_cast<std::byte*>(file.data());
  const auto takes = [&](std::size_t page) {
    return page < moved.size() && !moved[page] && (unread_ == Unread::fetch || is_in_memory(start + page * kHugePage));
  };
  for (std::size_t page = 0; page < moved.size();) {
    if (stop_.load(std::memory_order_relaxed)) return false;
    std::size_t count = 0;
    while (count < kPagesAtOnce && takes(page + count)) ++count;
    if (count > 0) {
      if (memory_left_() < count * kHugePage + kReserve / 2) return false;
      if (!move_piece(start + page * kHugePage, count * kHugePage)) return false;
      std::fill_n(moved.begin() + static_cast<std::ptrdiff_t>(page), count, true);
      moved_.fetch_add(count * kHugePage, std::memory_order_relaxed);
    }
    page += count < kPagesAtOnce ? count + 1 : count;  // the page that ended the run was looked at
  }
#endif
  return true;
}

}  // namespace glimt
