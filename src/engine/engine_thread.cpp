#include "engine/engine_thread.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace glimt {

// Lives as long as the process, as its thread does.
struct EngineThread::Worker {
  std::mutex mutex;
  std::condition_variable changed;
  std::function<void()> body;  // while there is one
  bool busy = false;

  void start(std::function<void()> next) {
    {
      const std::lock_guard lock(mutex);
      body = std::move(next);
      busy = true;
    }
    changed.notify_all();
  }

  void wait_for_end() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !busy; });
  }

  [[noreturn]] void serve() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return busy && body; });
      std::function<void()> own = std::exchange(body, nullptr);
      lock.unlock();
      own();
      own = nullptr;
      lock.lock();
      busy = false;
      changed.notify_all();
    }
  }

  // Those that wait. Never destroyed: their threads outlive the end of main.
  struct Idle {
    std::mutex mutex;
    std::vector<Worker*> workers;
  };
  static Idle& idle() {
    static auto* all = new Idle;
    return *all;
  }
};

EngineThread::EngineThread(std::function<void()> body) {
  Worker::Idle& idle = Worker::idle();
  const std::lock_guard lock(idle.mutex);
  if (idle.workers.empty()) {
    auto worker = std::make_unique<Worker>();
    idle.workers.reserve(1);
    std::thread([w = worker.get()] { w->serve(); }).detach();
    idle.workers.push_back(worker.release());
  }
  worker_ = idle.workers.back();
  idle.workers.pop_back();
  worker_->start(std::move(body));
}

void EngineThread::join() {
  if (worker_ == nullptr) return;
  worker_->wait_for_end();
  Worker::Idle& idle = Worker::idle();
  const std::lock_guard lock(idle.mutex);
  idle.workers.push_back(std::exchange(worker_, nullptr));
}

}  // namespace glimt
