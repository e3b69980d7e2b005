// Computes grammar masks beside the model, on threads that live as long as the engine, so that no step has to wait for
// one.
#pragma once

#include "engine/workers.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace glimt {

// One computation of masks. The worker and its caller share it; either may let go of it first.
class MaskJob {
 private:
  friend class MaskWorker;
  enum class State { queued, running, done };

  std::function<std::size_t()> work;
  bool is_slow = false;
  State state = State::queued;  // all guarded by the worker's mutex
  std::size_t result = 0;
  std::exception_ptr error;
  double seconds = 0;
};

// Two threads: one for jobs of sequences whose masks were quick so far, one for all. So a grammar whose masks take long
// does not keep others waiting, however many sequences have such a one. If the system gives one thread, that does all;
// if it gives none, a job is done by the thread that waits for it.
//
// The methods are for one thread, the engine's.
class MaskWorker {
 public:
  using Clock = std::chrono::steady_clock;

  explicit MaskWorker(const StartThread& start = start_thread);
  ~MaskWorker();  // waits for the jobs that run
  MaskWorker(const MaskWorker&) = delete;
  MaskWorker& operator=(const MaskWorker&) = delete;

  // Queues `work`, which computes masks and returns for how many drafts; it must own what it uses.
  std::shared_ptr<MaskJob> start(std::function<std::size_t()> work, bool is_slow);

  // Waits for the job until `deadline`. True: it is done.
  bool wait(const std::shared_ptr<MaskJob>& job, Clock::time_point deadline);
  bool is_done(const std::shared_ptr<MaskJob>& job);

  // Waits until any job ends that has not ended yet, or until `deadline`.
  void wait_for_any(Clock::time_point deadline);

  // What a job that is done has returned, or thrown, and the processor time that it took.
  static std::size_t result(const MaskJob& job);
  static double seconds(const MaskJob& job) { return job.seconds; }

 private:
  void serve(bool takes_slow_ones);
  void compute(const std::shared_ptr<MaskJob>& job, std::unique_lock<std::mutex>& lock);
  std::shared_ptr<MaskJob> take(bool takes_slow_ones);

  std::mutex mutex_;
  std::condition_variable changed_, finished_;
  bool stop_ = false;
  std::deque<std::shared_ptr<MaskJob>> queue_;
  std::size_t pending_ = 0;  // queued or running
  std::uint64_t ended_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace glimt
