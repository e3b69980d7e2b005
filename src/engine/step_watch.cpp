#include "engine/step_watch.h"

#include <algorithm>

namespace glimt {
namespace {

constexpr double kPatience = 10;  // times as long as expected

double seconds(StepWatch::Clock::duration time) { return std::chrono::duration<double>(time).count(); }

}  // namespace

void StepWatch::begin(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  start_ = now;
  expected_.reset();
  seen_ = progress_();
  seen_at_ = now;
}

void StepWatch::expect(std::optional<double> expected) {
  const std::lock_guard lock(mutex_);
  expected_ = expected;
}

void StepWatch::end(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  if (start_) ended_ = now;
  start_.reset();
}

// Of a step that does not show how far it is.
StepWatch::Clock::duration StepWatch::allowed() const {
  if (!expected_) return limits_.step;
  const auto patience = std::chrono::duration<double>(std::min(kPatience * *expected_, seconds(limits_.step)));
  return std::max<Clock::duration>(limits_.stall, std::chrono::duration_cast<Clock::duration>(patience));
}

StepWatch::View StepWatch::look(Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const std::optional<std::uint64_t> progress = progress_();
  if (progress != seen_) {
    seen_ = progress;
    seen_at_ = now;
  }
  View view;
  if (!start_) {
    view.idle_seconds = seconds(now - ended_);
    return view;
  }
  view.step_seconds = seconds(now - *start_);
  view.gets_on = progress ? now - seen_at_ <= limits_.stall : now - *start_ <= allowed();
  return view;
}

}  // namespace glimt
