#include "base/huge_pages.h"

#include "base/memory.h"

#ifdef __linux__
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>

namespace glimt {
namespace {

#ifdef __linux__

constexpr std::size_t kPiece = 16 * kHugePage;  // copied at once: some milliseconds
constexpr int kNiceness = 10;                   // a tenth of a core that others want, too

bool system_has_huge_pages() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
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

HugePages::HugePages(std::vector<std::shared_ptr<const MappedFile>> files) : files_(std::move(files)) {
  thread_ = std::thread([this] {
    move_all();
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  });
}

HugePages::~HugePages() {
  stop_.store(true);
  thread_.join();
}

void HugePages::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_; });
}

void HugePages::move_all() {
#ifdef __linux__
  std::size_t total = 0;
  for (const auto& file : files_) total += file->size();
  if (!system_has_huge_pages() || available_memory() < total + kReserve) return;
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNiceness);  // of this thread alone
  for (const auto& file : files_) {
    const std::size_t whole = file->size() / kHugePage * kHugePage;
    for (std::size_t done = 0; done < whole && !stop_.load(std::memory_order_relaxed);) {
      const std::size_t bytes = std::min(kPiece, whole - done);
      if (available_memory() < bytes + kReserve / 2) return;
      if (!move_piece(const_cast<std::byte*>(file->data()) + done, bytes)) return;
      done += bytes;
      moved_.fetch_add(bytes, std::memory_order_relaxed);
    }
  }
#endif
}

}  // namespace glimt
