#include "engine/mask_worker.h"

#include <algorithm>
#include <ctime>
#include <system_error>
#include <utility>

namespace glimt {
namespace {

// Of this thread: what others do to the machine is not the grammar's fault.
double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

MaskWorker::MaskWorker(const StartThread& start) {
  threads_.reserve(2);
  try {
    threads_.push_back(start([this] { serve(true); }));
    threads_.push_back(start([this] { serve(false); }));
  } catch (const std::system_error&) {
    // The one that started does all, or the engine's thread.
  }
}

MaskWorker::~MaskWorker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

// Quick jobs first: many sequences wait for them, and they take little time.
std::shared_ptr<MaskJob> MaskWorker::take(bool takes_slow_ones) {
  // No sequence waits for these any more.
  pending_ -= std::erase_if(queue_, [](const auto& job) { return job.use_count() == 1; });
  auto next = std::find_if(queue_.begin(), queue_.end(), [](const auto& job) { return !job->is_slow; });
  if (next == queue_.end() && takes_slow_ones) next = queue_.begin();
  if (next == queue_.end()) return nullptr;
  std::shared_ptr<MaskJob> job = std::move(*next);
  queue_.erase(next);
  return job;
}

void MaskWorker::serve(bool takes_slow_ones) {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::shared_ptr<MaskJob> job;
    changed_.wait(lock, [&] { return stop_ || (job = take(takes_slow_ones)) != nullptr; });
    if (stop_) return;
    compute(job, lock);
  }
}

void MaskWorker::compute(const std::shared_ptr<MaskJob>& job, std::unique_lock<std::mutex>& lock) {
  job->state = MaskJob::State::running;
  const std::function<std::size_t()> work = std::move(job->work);
  lock.unlock();
  const double start = processor_seconds();
  std::size_t result = 0;
  std::exception_ptr error;
  try {
    result = work();
  } catch (...) {
    error = std::current_exception();
  }
  const double seconds = processor_seconds() - start;
  lock.lock();
  job->result = result;
  job->error = std::move(error);
  job->seconds = seconds;
  job->state = MaskJob::State::done;
  --pending_;
  ++ended_;
  finished_.notify_all();
}

std::shared_ptr<MaskJob> MaskWorker::start(std::function<std::size_t()> work, bool is_slow) {
  auto job = std::make_shared<MaskJob>();
  job->work = std::move(work);
  job->is_slow = is_slow;
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(job);
    ++pending_;
  }
  changed_.notify_all();
  return job;
}

bool MaskWorker::wait(const std::shared_ptr<MaskJob>& job, Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (threads_.empty() && job->state == MaskJob::State::queued) {
    queue_.erase(std::find(queue_.begin(), queue_.end(), job));
    compute(job, lock);
  }
  return finished_.wait_until(lock, deadline, [&] { return job->state == MaskJob::State::done; });
}

bool MaskWorker::is_done(const std::shared_ptr<MaskJob>& job) {
  const std::lock_guard lock(mutex_);
  return job->state == MaskJob::State::done;
}

void MaskWorker::wait_for_any(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const std::uint64_t before = ended_;
  finished_.wait_until(lock, deadline, [&] { return pending_ == 0 || ended_ != before; });
}

std::size_t MaskWorker::result(const MaskJob& job) {
  if (job.error) std::rethrow_exception(job.error);
  return job.result;
}

}  // namespace glimt
