// A few threads that share out independent jobs of the engine's thread: sampling, say.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace glimt {

// Starts a thread, or throws std::system_error where the system has none to give. A parameter, so that tests can
// refuse.
using StartThread = std::function<std::thread(std::function<void()>)>;
std::thread start_thread(std::function<void()> body);

// The threads live as long as this does. Where some cannot be started, the others do the work, and without any the
// caller does it alone. One caller at a time.
class Workers {
 public:
  // `threads`: that work at once, the caller among them.
  explicit Workers(int threads, const StartThread& start = start_thread);
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls work(job, worker) for job = 0 … jobs - 1, in no order, worker in [0, size()): one job at a time for each.
  // Returns when all are done, with the exception that each job has thrown, or none: a job that fails is its own
  // affair. `alone`: the caller does all, where that takes less time than to wake a thread.
  using Work = std::function<void(std::size_t job, std::size_t worker)>;
  std::vector<std::exception_ptr> run(std::size_t jobs, const Work& work, bool alone = false);

 private:
  void serve(std::size_t worker);
  void take_jobs(std::size_t worker, std::unique_lock<std::mutex>& lock);

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable changed_, finished_;
  bool stop_ = false;
  // Of the run at hand; guarded by mutex_.
  const Work* work_ = nullptr;
  std::size_t jobs_ = 0, next_ = 0, done_ = 0;
  std::vector<std::exception_ptr> errors_;
};

}  // namespace glimt
