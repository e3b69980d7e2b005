#include "kernels/cpu/thread_pool.h"

#include "base/error.h"
#include "base/machine.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

namespace glimt::cpu {
namespace {

// A step's kernels follow each other within a few microseconds; sleeping and waking costs about 5 to 50.
constexpr auto kSpin = std::chrono::microseconds(40);
constexpr int kPausesPerLook = 32;

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Fetches what a thread will probably read next, a little at a time.
class FetchAhead {
 public:
  // The range's items read `now`; if nothing is known, what was foreseen before stays.
  void begin(MemoryRange now) {
    if (now.at == nullptr) return;
    next_ = order_.after(now);
    fetched_ = 0;
  }
  // Every second line: the hardware fetches its neighbour. False: there is nothing more to fetch.
  bool some() {
    const std::size_t end = std::min(next_.bytes, most_);
    if (fetched_ >= end) return false;
    for (const std::size_t stop = std::min(fetched_ + kPiece, end); fetched_ < stop; fetched_ += 128) {
      __builtin_prefetch(next_.at + fetched_, 0, 2);
    }
    return true;
  }

 private:
  static std::size_t part_of_cache() {  // the second-level one
    const std::size_t bytes = second_level_cache();
    return bytes > 0 ? bytes * 5 / 8 : 256 * 1024;
  }

  static constexpr std::size_t kPiece = 1024;

  ReadOrder order_;
  MemoryRange next_;
  std::size_t fetched_ = 0;
  std::size_t most_ = part_of_cache();
};

// Spins until `done()`; false if it did not happen soon.
template <typename Done>
bool spin_until(Done done, FetchAhead& ahead) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      if (!ahead.some()) pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return false;
}

// Written by the caller of a loop alone, of which there is one at a time. On a cache line of its own: the other threads
// read what lies beside it while they wait.
alignas(64) std::atomic<std::uint64_t> g_items_done{0};

// The items of a job, shared out: each thread has a range of neighbours, which it takes from the front, so that it
// reads memory in long streams. A thread that has finished its own range steals from the others.
struct Job {
  struct alignas(64) Range {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
    MemoryRange reads;
  };

  explicit Job(std::size_t threads) : ranges(threads) {}

  void open(const detail::Loop& loop) {
    function = loop.item;
    body = loop.body;
    for (std::size_t t = 0; t < ranges.size(); ++t) {
      const std::size_t first = loop.count * t / ranges.size(), end = loop.count * (t + 1) / ranges.size();
      ranges[t].next.store(first, std::memory_order_relaxed);
      ranges[t].end = end;
      ranges[t].reads = loop.reads != nullptr && first < end ? loop.reads(loop.reads_with, first, end) : MemoryRange{};
    }
  }

  void work(std::size_t thread) {
    for (std::size_t k = 0; k < ranges.size(); ++k) {
      Range& range = ranges[(thread + k) % ranges.size()];
      for (std::size_t i = range.next.fetch_add(1, std::memory_order_relaxed); i < range.end;
           i = range.next.fetch_add(1, std::memory_order_relaxed)) {
        function(body, i);
        if (thread == 0)
          g_items_done.store(g_items_done.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
      }
    }
  }

  detail::ItemFunction function = nullptr;
  const void* body = nullptr;
  std::vector<Range> ranges;
};

class Pool {
 public:
  explicit Pool(std::size_t count) {
    workers_.reserve(count);
    try {
      for (std::size_t i = 1; i < count; ++i) workers_.emplace_back([this, i] { serve(i); });
    } catch (const std::system_error&) {
      // The system has no more threads for this process: those that started do the work.
    }
    job_.emplace(workers_.size() + 1);
  }

  ~Pool() {
    stop_.store(true);
    signal_.fetch_add(1);
    signal_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(const detail::Loop& loop) {
    job_->open(loop);
    if (!workers_.empty()) {
      state_.store(kOpen, std::memory_order_release);
      signal_.fetch_add(1);
      if (sleepers_.load() > 0) signal_.notify_all();
    }
    const MemoryRange reads = job_->ranges[0].reads;
    job_->work(0);
    if (workers_.empty()) return;
    ahead_.begin(reads);
    // Close the job to threads that have not come yet, and wait for those inside.
    const auto inside = [&] { return state_.load(std::memory_order_acquire) & ~kOpen; };
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);
    if (spin_until([&] { return inside() == 0; }, ahead_)) return;
    for (std::uint32_t busy = inside(); busy != 0; busy = inside()) state_.wait(busy);
  }

 private:
  static constexpr std::uint32_t kOpen = 1u << 31;  // the other bits count the workers inside the job

  bool enter() {
    std::uint32_t seen = state_.load(std::memory_order_acquire);
    while ((seen & kOpen) != 0) {
      if (state_.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  void leave() {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) == 1) state_.notify_one();
  }

  void serve(std::size_t thread) {
    ask_for_short_turns();
    FetchAhead ahead;
    std::uint32_t seen = 0;
    while (!stop_.load(std::memory_order_relaxed)) {
      const auto changed = [&] { return signal_.load(std::memory_order_acquire) != seen; };
      if (!spin_until(changed, ahead)) {
        sleepers_.fetch_add(1);
        signal_.wait(seen);
        sleepers_.fetch_sub(1);
      }
      seen = signal_.load(std::memory_order_acquire);
      if (enter()) {
        const MemoryRange reads = job_->ranges[thread].reads;
        job_->work(thread);
        leave();
        ahead.begin(reads);
      }
    }
  }

  std::optional<Job> job_;  // made when the number of workers is known; they touch it when a job is open
  FetchAhead ahead_;        // the caller's
  alignas(64) std::atomic<std::uint32_t> state_{0};
  alignas(64) std::atomic<std::uint32_t> signal_{0};  // changes with every job
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

std::mutex g_mutex;  // one job at a time; also guards the pool's life
std::unique_ptr<Pool> g_pool;
int g_wanted = 0;

Pool& pool() {  // with g_mutex held
  if (!g_pool) g_pool = std::make_unique<Pool>(static_cast<std::size_t>(g_wanted > 0 ? g_wanted : usable_cores()));
  return *g_pool;
}

}  // namespace

namespace detail {

void run_parallel(const Loop& loop) {
  static thread_local const bool asked = (ask_for_short_turns(), true);
  static_cast<void>(asked);
  const std::lock_guard lock(g_mutex);
  pool().run(loop);
}

}  // namespace detail

std::uint64_t items_done() { return g_items_done.load(std::memory_order_relaxed); }

int threads() {
  const std::lock_guard lock(g_mutex);
  return pool().threads();
}

void set_threads(int count) {
  if (count < 1 || count > kMostThreads) {
    fail(ErrorKind::invalid_request, "threads", "must be 1 to {}, got {}", kMostThreads, count);
  }
  const std::lock_guard lock(g_mutex);
  g_wanted = count;
  g_pool.reset();
}

}  // namespace glimt::cpu
