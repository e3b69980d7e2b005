// Progress of long work on stderr: a bar that redraws itself on a terminal, a plain line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace glimt {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  struct Output {
    std::FILE* file = stderr;
    std::optional<bool> terminal;  // unset: whether `file` is one
    std::function<Clock::time_point()> now = Clock::now;
  };

  // `what` is the work ("reading the prompt"), `unit` what is counted ("tokens").
  Progress(std::string what, std::string unit) : Progress(std::move(what), std::move(unit), Output{}) {}
  Progress(std::string what, std::string unit, Output output);
  ~Progress();  // wipes the bar
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows nothing in the first half second, so that short work leaves no trace. Cheap: draws ten times a second at
  // most.
  void update(std::size_t done, std::size_t total);

  // Wipes the bar, so that something else can be printed; the next update() starts anew.
  void clear();

 private:
  void draw(std::size_t done, std::size_t total, double seconds);

  std::string what_;
  std::string unit_;
  Output output_;
  bool terminal_;
  Clock::time_point start_;
  std::optional<Clock::time_point> shown_;
};

}  // namespace glimt
