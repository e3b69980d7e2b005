// What a request's owner holds: the events so far, and a way to give up.
#pragma once

#include "engine/request.h"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace glimt {

// The events of one request on their way from the engine's thread to one reader.
class EventQueue {
 public:
  using Clock = std::chrono::steady_clock;

  // `wake` is called by cancel(), so that an engine without work notices. most_unread_bytes: see GenerationRequest.
  EventQueue(std::size_t most_unread_bytes, std::function<void()> wake)
      : most_unread_bytes_(most_unread_bytes), wake_(std::move(wake)) {}

  // The engine's side. Progress takes the place of progress that was not read yet. A token beyond the bound is dropped,
  // and from then on overflowed() is true: the engine ends the request. May throw bad_alloc.
  void push(PrefillProgress progress);
  void push(TokenEvent token);

  // The last event; needs no memory. Later ones are ignored.
  void end(GenerationResult result) noexcept { end_with(std::move(result)); }
  void end(std::exception_ptr error) noexcept { end_with(std::move(error)); }

  bool cancelled() const { return cancelled_by() != CancelReason::none; }
  CancelReason cancelled_by() const { return cancelled_by_.load(std::memory_order_relaxed); }
  bool overflowed() const;

  // Marks it as cancelled without waking the engine. The first reason stays.
  void mark_cancelled(CancelReason reason) noexcept;

  // The reader's side: see Stream.
  std::optional<StreamEvent> next(Clock::time_point deadline);
  void on_event(std::function<void()> tell);
  void cancel(CancelReason reason);
  bool ended() const;  // the last event was taken

 private:
  void end_with(StreamEvent event) noexcept;
  void tell() noexcept;
  bool waiting() const { return !events_.empty() || last_; }  // for the reader

  const std::size_t most_unread_bytes_;
  const std::function<void()> wake_;
  std::atomic<CancelReason> cancelled_by_ = CancelReason::none;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<StreamEvent> events_;  // all but the last
  std::size_t unread_bytes_ = 0;    // of events_
  std::optional<StreamEvent> last_;
  std::shared_ptr<const std::function<void()>> tell_;
  bool overflowed_ = false, closed_ = false, ended_ = false;
};

// The reader's handle of a request. It may outlive the engine. Used by one thread at a time, cancel() by any.
class Stream {
 public:
  using Clock = EventQueue::Clock;

  explicit Stream(std::shared_ptr<EventQueue> events) : events_(std::move(events)) {}
  ~Stream();  // cancels a request that has not ended: without a reader there is nothing to compute for
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The next event; waits for it until `deadline`. Nothing when the deadline came first, or when the last event (a
  // result or an exception) was taken already: ended() tells which.
  std::optional<StreamEvent> next(Clock::time_point deadline = Clock::time_point::max()) {
    return events_->next(deadline);
  }

  // The next event if it is there.
  std::optional<StreamEvent> poll() { return events_->next({}); }

  bool ended() const { return events_->ended(); }

  // Instead of waiting: `tell` is called when an event comes to an empty stream, and at once if there is one now. Read
  // with poll() until there is none. It is called on the engine's thread, so it must be quick and only pass the word to
  // the reader's own thread; one that throws cancels the request. A call may still be on its way when the stream goes.
  void on_event(std::function<void()> tell) { events_->on_event(std::move(tell)); }

  // The engine ends the request within one step; the events end with FinishReason::cancelled, unless it ended before.
  void cancel() { events_->cancel(CancelReason::caller); }

 private:
  std::shared_ptr<EventQueue> events_;
};

}  // namespace glimt
