// A few threads for work that takes longer than the I/O thread may: large JSON, templates, tokens, grammars.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace glimt {

class WorkerPool {
 public:
  using Job = std::function<void()>;  // must not throw

  WorkerPool(std::size_t threads, std::size_t most_waiting);
  ~WorkerPool();  // waits for the jobs that run; those that wait are dropped

  // From any thread. False if too many wait: then `job` was not taken.
  bool post(Job job);

  std::size_t waiting() const;

 private:
  void work();

  const std::size_t most_waiting_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace glimt
