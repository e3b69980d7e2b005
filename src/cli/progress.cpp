#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace glimt {
namespace {

using namespace std::chrono_literals;

constexpr auto kSilence = 500ms;
constexpr auto kRedraw = 100ms;
constexpr auto kPlainLine = 5s;
constexpr std::size_t kBarWidth = 24;
constexpr const char* kWipeLine = "\r\033[K";

std::string remaining(std::size_t done, std::size_t total, double seconds) {
  if (done == 0) return "";
  const double left = seconds * static_cast<double>(total - done) / static_cast<double>(done);
  return left < 90 ? fmt::format(", {:.0f} s left", left) : fmt::format(", {:.0f} min left", left / 60);
}

}  // namespace

Progress::Progress(std::string what, std::string unit, Output output)
    : what_(std::move(what)),
      unit_(std::move(unit)),
      output_(std::move(output)),
      terminal_(output_.terminal ? *output_.terminal : ::isatty(::fileno(output_.file)) == 1),
      start_(output_.now()) {}

Progress::~Progress() { clear(); }

void Progress::update(std::size_t done, std::size_t total) {
  const Clock::time_point now = output_.now();
  if (now - start_ < kSilence || total == 0) return;
  if (!shown_ && done >= total) return;  // it was short enough
  const auto pause = terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine);
  if (shown_ && now - *shown_ < pause) return;
  shown_ = now;
  draw(std::min(done, total), total, std::chrono::duration<double>(now - start_).count());
}

void Progress::draw(std::size_t done, std::size_t total, double seconds) {
  const std::string numbers = fmt::format("{} of {} {}{}", done, total, unit_, remaining(done, total, seconds));
  if (!terminal_) {
    fmt::print(output_.file, "{}: {}\n", what_, numbers);
  } else {
    const std::size_t filled = kBarWidth * done / total;
    fmt::print(output_.file, "{}{} [{:#<{}}{:.<{}}] {}", kWipeLine, what_, "", filled, "", kBarWidth - filled, numbers);
  }
  std::fflush(output_.file);
}

void Progress::clear() {
  if (terminal_ && shown_) {
    fmt::print(output_.file, "{}", kWipeLine);
    std::fflush(output_.file);
  }
  shown_.reset();
  start_ = output_.now();
}

}  // namespace glimt
