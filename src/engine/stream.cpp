#include "engine/stream.h"

namespace glimt {

std::optional<StreamEvent> Stream::next(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (ended_) return std::nullopt;
  const auto ready = [this] { return !events_.empty(); };
  if (deadline == Clock::time_point::max()) {
    changed_.wait(lock, ready);
  } else if (!changed_.wait_until(lock, deadline, ready)) {
    return std::nullopt;
  }
  StreamEvent event = std::move(events_.front());
  events_.pop_front();
  ended_ = std::holds_alternative<GenerationResult>(event) || std::holds_alternative<std::exception_ptr>(event);
  return event;
}

void Stream::cancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  wake_();
}

void Stream::push(StreamEvent event) {
  {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  changed_.notify_one();
}

}  // namespace glimt
