// A pull in front of somebody who waits: a line for each file and one for the whole, redrawn on a terminal; elsewhere a
// line for each file that is there, and now and then one for the whole.
#pragma once

#include "hub/pull_event.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

// Bytes a second of the last ten seconds.
class ByteRate {
 public:
  using Clock = std::chrono::steady_clock;

  void add(Clock::time_point now, std::uint64_t bytes);
  double per_second() const;  // 0 while nothing is known

 private:
  std::deque<std::pair<Clock::time_point, std::uint64_t>> samples_;
};

class PullDisplay {
 public:
  using Clock = std::chrono::steady_clock;
  struct Output {
    std::FILE* file = stderr;
    std::optional<bool> terminal = std::nullopt;  // unset: whether `file` is one
    std::size_t columns = 0;                      // 0: what the terminal has
    std::function<Clock::time_point()> now = Clock::now;
  };

  PullDisplay() : PullDisplay(Output{}) {}
  explicit PullDisplay(Output output);
  ~PullDisplay();  // wipes the lines
  PullDisplay(const PullDisplay&) = delete;
  PullDisplay& operator=(const PullDisplay&) = delete;

  void show(const PullEvent& event);

 private:
  struct File {
    std::uint64_t completed = 0, total = 0;
    ByteRate rate;
  };

  void take(const PullEvent& event);
  void draw(const PullEvent& event);
  void print_plain(const PullEvent& event);
  void wipe();
  std::string whole(const PullEvent& event) const;

  Output output_;
  bool terminal_;
  std::size_t lines_ = 0;              // on the terminal
  std::map<std::string, File> files_;  // on their way
  ByteRate rate_;
  std::optional<Clock::time_point> shown_;
};

}  // namespace glimt
