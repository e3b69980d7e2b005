// How other threads tell a connection that something happened, also when it, or the whole server, has gone meanwhile.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

namespace glimt {

// Leads to the I/O thread as long as there is one.
class IoGate {
 public:
  using Post = std::function<void(std::function<void()>)>;

  explicit IoGate(Post post) : post_(std::move(post)) {}

  void post(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (post_) post_(std::move(work));
  }
  void close() {
    const std::lock_guard lock(mutex_);
    post_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Post post_;
};

// Many words that come before the I/O thread has heard the first are one.
class Waker : public std::enable_shared_from_this<Waker> {
 public:
  // `wake` is called on the I/O thread.
  Waker(std::shared_ptr<IoGate> gate, std::function<void()> wake) : gate_(std::move(gate)), wake_(std::move(wake)) {}

  void post() {
    if (posted_.exchange(true)) return;
    gate_->post([self = shared_from_this()] {
      self->posted_ = false;
      self->wake_();
    });
  }

 private:
  std::shared_ptr<IoGate> gate_;
  std::function<void()> wake_;
  std::atomic<bool> posted_ = false;
};

}  // namespace glimt
