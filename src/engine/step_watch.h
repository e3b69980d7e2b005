// Whether the step at hand still gets on. A step may take minutes and be fine: the rows of a long prompt behind a long
// context. One that does not get on any more has hung.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

namespace glimt {

// Any thread may use it.
class StepWatch {
 public:
  using Clock = std::chrono::steady_clock;

  struct Limits {
    std::chrono::milliseconds stall;  // without progress
    std::chrono::milliseconds step;   // of a whole step, where it cannot be seen how far it is
  };

  // A number that changes while a step gets on; nothing where that cannot be seen. Called on any thread; must be quick.
  using Progress = std::function<std::optional<std::uint64_t>()>;

  StepWatch(const Limits& limits, Progress progress) : limits_(limits), progress_(std::move(progress)) {}

  // By the engine's thread. `expected`: seconds that the work at hand took before; nothing: there was none like it.
  void begin(Clock::time_point now);
  void expect(std::optional<double> expected);
  void end(Clock::time_point now);

  struct View {
    bool gets_on = true;
    double step_seconds = 0;  // of the step at hand; 0 between steps
    double idle_seconds = 0;  // since the last step ended
  };

  // Compares with what the last look, or the step's beginning, saw: whoever wants to see a stall soon looks about every
  // second.
  View look(Clock::time_point now);

 private:
  Clock::duration allowed() const;

  const Limits limits_;
  const Progress progress_;
  std::mutex mutex_;  // of what follows
  std::optional<Clock::time_point> start_;
  Clock::time_point ended_ = Clock::now();
  std::optional<double> expected_;
  std::optional<std::uint64_t> seen_;  // of progress_
  Clock::time_point seen_at_{};        // when it was another number last
};

}  // namespace glimt
