// What a request's owner holds: the events so far, and a way to give up.
#pragma once

#include "engine/request.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace glimt {

// One producer (the engine's thread), one consumer.
class Stream {
 public:
  using Clock = std::chrono::steady_clock;

  // `wake` is called by cancel(), so that an engine without work notices.
  explicit Stream(std::function<void()> wake) : wake_(std::move(wake)) {}

  // The next event; waits for it until `deadline`, then nothing. After the last one (result or exception): nothing.
  std::optional<StreamEvent> next(Clock::time_point deadline = Clock::time_point::max());

  // The engine ends the request within one step; the events end with FinishReason::cancelled, unless it ended before.
  void cancel();
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  void push(StreamEvent event);  // the engine's

 private:
  std::function<void()> wake_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<StreamEvent> events_;
  bool ended_ = false;  // the last event was taken
};

}  // namespace glimt
