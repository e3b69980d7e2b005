#include "engine/stream.h"

namespace glimt {
namespace {

std::size_t bytes_of(const TokenEvent& token) {
  return sizeof(StreamEvent) + token.top.capacity() * sizeof(TokenLogprob);
}

std::size_t bytes_of(const StreamEvent& event) {
  const auto* token = std::get_if<TokenEvent>(&event);
  return token != nullptr ? bytes_of(*token) : sizeof event;
}

}  // namespace

void EventQueue::push(PrefillProgress progress) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    if (!events_.empty() && std::holds_alternative<PrefillProgress>(events_.back())) {
      events_.back() = progress;
      return;
    }
    events_.emplace_back(progress);
    unread_bytes_ += bytes_of(events_.back());
    if (events_.size() > 1) return;
  }
  tell();
}

void EventQueue::push(TokenEvent token) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || overflowed_) return;
    const std::size_t bytes = bytes_of(token);
    if (unread_bytes_ + bytes > most_unread_bytes_ && !events_.empty()) {
      overflowed_ = true;
      return;
    }
    events_.emplace_back(std::move(token));
    unread_bytes_ += bytes;
    if (events_.size() > 1) return;
  }
  tell();
}

void EventQueue::end_with(StreamEvent event) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    last_ = std::move(event);
    if (!events_.empty()) return;
  }
  tell();
}

// Outside of the lock: the reader may take events from within.
void EventQueue::tell() noexcept {
  changed_.notify_one();
  std::shared_ptr<const std::function<void()>> tell;
  {
    const std::lock_guard lock(mutex_);
    tell = tell_;
  }
  try {
    if (tell) (*tell)();
  } catch (...) {
    mark_cancelled(CancelReason::callback);
  }
}

void EventQueue::mark_cancelled(CancelReason reason) noexcept {
  CancelReason before = CancelReason::none;
  cancelled_by_.compare_exchange_strong(before, reason, std::memory_order_relaxed);
}

void EventQueue::on_event(std::function<void()> tell_reader) {
  auto tell_it = tell_reader ? std::make_shared<const std::function<void()>>(std::move(tell_reader)) : nullptr;
  bool now = false;
  {
    const std::lock_guard lock(mutex_);
    tell_ = std::move(tell_it);
    now = waiting();
  }
  if (now) tell();
}

bool EventQueue::overflowed() const {
  const std::lock_guard lock(mutex_);
  return overflowed_;
}

bool EventQueue::ended() const {
  const std::lock_guard lock(mutex_);
  return ended_;
}

std::optional<StreamEvent> EventQueue::next(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  if (ended_) return std::nullopt;
  if (deadline == Clock::time_point::max()) {
    changed_.wait(lock, [this] { return waiting(); });
  } else if (!changed_.wait_until(lock, deadline, [this] { return waiting(); })) {
    return std::nullopt;
  }
  if (events_.empty()) {
    ended_ = true;
    std::optional<StreamEvent> event = std::move(last_);
    last_.reset();
    return event;
  }
  StreamEvent event = std::move(events_.front());
  unread_bytes_ -= bytes_of(event);
  events_.pop_front();
  return event;
}

void EventQueue::cancel(CancelReason reason) {
  mark_cancelled(reason);
  wake_();
}

Stream::~Stream() {
  events_->on_event({});
  if (!events_->ended()) events_->cancel(CancelReason::dropped);
}

}  // namespace glimt
