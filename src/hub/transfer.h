// Requests with patience: redirects followed by hand, second tries, waits that the hub asks for.
#pragma once

#include "hub/http.h"
#include "hub/hub_settings.h"
#include "hub/repository.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>

namespace glimt {

// When the next request may be made. What one thread is told to wait, all wait. Any thread may use it.
class Patience {
 public:
  using Clock = std::chrono::steady_clock;

  // Blocks until it is time. Throws cancelled.
  void wait(const std::atomic<bool>& cancelled) const;
  void hold_off(Clock::duration time);
  Clock::duration left() const;  // zero or less: nobody waits

 private:
  mutable std::mutex mutex_;
  Clock::time_point next_{};
};

// What a hub asks for in an answer of this status: Retry-After in seconds or as a date, or what is left of its window
// for requests (RateLimit, where no request is left). Zero if it asks for nothing. Throws overloaded for more than ten
// minutes.
std::chrono::milliseconds wait_asked_for(const HttpHead& head, std::chrono::system_clock::time_point now);

bool is_temporary(int status);  // 408, 425, 429 and what gateways say

// Counts the tries of one thing. Progress makes it forget the earlier ones.
class Tries {
 public:
  Tries(const HubSettings& settings, Patience& patience) : settings_(settings), patience_(patience) {}

  // Before the next try: waits longer each time, or as long as `asked`. False if it was the last one.
  bool again(std::chrono::milliseconds asked, const std::atomic<bool>& cancelled);
  void progress() { failed_ = 0; }

 private:
  const HubSettings& settings_;
  Patience& patience_;
  int failed_ = 0;
};

// The requests of one thread to a repository.
class Transfer {
 public:
  Transfer(const Repository& repository, const HubSettings& settings, Patience& patience,
           const std::atomic<bool>& cancelled)
      : repository_(repository),
        settings_(settings),
        patience_(patience),
        cancelled_(cancelled),
        connection_(settings.limits, cancelled) {}

  // One try. Follows redirects, at most 8, never from https to http; the token goes to the repository's origin alone.
  // `url` becomes where the answer came from. `body` gets only the content of an answer that is no redirect.
  HttpHead get(std::string& url, const std::optional<std::pair<std::uint64_t, std::uint64_t>>& range,
               const HttpConnection::Body& body);

  // A small answer, with further tries.
  HttpHead fetch(const std::string& url, std::string& content);

 private:
  std::string next_hop(const std::string& url, const HttpHead& head) const;

  const Repository& repository_;
  const HubSettings& settings_;
  Patience& patience_;
  const std::atomic<bool>& cancelled_;
  HttpConnection connection_;
};

}  // namespace glimt
