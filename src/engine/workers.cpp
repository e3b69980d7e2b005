#include "engine/workers.h"

#include <system_error>
#include <utility>

namespace glimt {

std::thread start_thread(std::function<void()> body) { return std::thread(std::move(body)); }

Workers::Workers(int threads, const StartThread& start) {
  threads_.reserve(static_cast<std::size_t>(threads));
  try {
    for (int worker = 1; worker < threads; ++worker) {
      threads_.push_back(start([this, worker] { serve(static_cast<std::size_t>(worker)); }));
    }
  } catch (const std::system_error&) {
    // Those that started do the work.
  }
}

Workers::~Workers() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::serve(std::size_t worker) {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || next_ < jobs_; });
    if (stop_) return;
    take_jobs(worker, lock);
  }
}

void Workers::take_jobs(std::size_t worker, std::unique_lock<std::mutex>& lock) {
  while (next_ < jobs_) {
    const std::size_t job = next_++;
    const Work& work = *work_;
    lock.unlock();
    std::exception_ptr error;
    try {
      work(job, worker);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    errors_[job] = std::move(error);
    if (++done_ == jobs_) finished_.notify_all();
  }
}

std::vector<std::exception_ptr> Workers::run(std::size_t jobs, const Work& work, bool alone) {
  std::unique_lock lock(mutex_);
  errors_.assign(jobs, nullptr);
  work_ = &work;
  jobs_ = jobs;
  next_ = done_ = 0;
  if (jobs > 1 && !alone) changed_.notify_all();
  take_jobs(0, lock);
  finished_.wait(lock, [this] { return done_ == jobs_; });
  jobs_ = next_ = 0;
  return std::move(errors_);
}

}  // namespace glimt
