// Weights in huge pages. A program that reads gigabytes for each token also reads the page tables of their 4 KiB pages,
// in a virtual machine those of the host as well. docs/PERFORMANCE.md has the numbers.
#pragma once

#include "base/file.h"
#include "base/memory.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace glimt {

// Copies mapped files into anonymous memory with huge pages, piece by piece, and puts each piece where the file is
// mapped: addresses and content stay the same, also for threads that read meanwhile. Files smaller than a huge page,
// and what is behind a file's last whole one, stay as they are.
class HugePages {
 public:
  // Pages that the system has not read from the disk yet: `wait` leaves them alone until a thread has needed them, so
  // that a thread that needs a page now does not wait behind all the others; `fetch` reads them.
  enum class Unread : std::uint8_t { wait, fetch };

  // Starts a thread of low priority. It does nothing where the system has no such pages, or if the files are larger
  // than the available memory less kReserve, and ends early when other programs take what is left.
  // `memory_left` says how much that is, and is asked before each piece.
  explicit HugePages(
      std::vector<std::shared_ptr<const MappedFile>> files, Unread unread = Unread::wait,
      std::function<std::size_t()> memory_left = [] { return available_memory(); });
  ~HugePages();  // ends the thread; what was moved stays

  HugePages(const HugePages&) = delete;
  HugePages& operator=(const HugePages&) = delete;

  // Until everything was looked at once: with Unread::fetch everything is moved that will be.
  void wait();

  std::size_t moved_bytes() const { return moved_.load(std::memory_order_relaxed); }

  static constexpr std::size_t kReserve = std::size_t{2} << 30;

 private:
  void move_all();
  bool move_file(const MappedFile& file, std::vector<bool>& moved);
  bool stopped_within(std::chrono::milliseconds time);

  const std::vector<std::shared_ptr<const MappedFile>> files_;
  const Unread unread_;
  const std::function<std::size_t()> memory_left_;
  std::atomic<std::size_t> moved_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool looked_at_all_ = false;
  std::thread thread_;
};

}  // namespace glimt
