#include "cli/pull_display.h"

#include "cli/bytes.h"
#include "cli/display_width.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace glimt {
namespace {

using namespace std::chrono_literals;

constexpr auto kWindow = 10s;
constexpr auto kRedraw = 100ms;
constexpr auto kPlainLine = 5s;
constexpr std::size_t kNameWidth = 36;
constexpr std::size_t kMostFiles = 10;
constexpr std::size_t kUsualColumns = 80;

std::string time_left(std::uint64_t bytes, double rate) {
  if (rate <= 0) return "";
  const double seconds = static_cast<double>(bytes) / rate;
  if (seconds < 90) return fmt::format(", {:.0f} s left", seconds);
  if (seconds < 5400) return fmt::format(", {:.0f} min left", seconds / 60);
  return fmt::format(", {:.1f} h left", seconds / 3600);
}

std::string progress_of(std::uint64_t completed, std::uint64_t total, const ByteRate& rate) {
  const double speed = rate.per_second();
  const std::string pace = speed > 0 ? fmt::format(", {}/s{}", describe_bytes(static_cast<std::size_t>(speed)),
                                                   time_left(total - completed, speed))
                                     : "";
  return fmt::format("{} of {}{}", describe_bytes(completed), describe_bytes(total), pace);
}

// The end of a name says more than its beginning: "…-00003-of-00048.safetensors".
std::string fitting(const std::string& name) {
  return name.size() <= kNameWidth ? name : "..." + name.substr(name.size() - kNameWidth + 3);
}

}  // namespace

void ByteRate::add(Clock::time_point now, std::uint64_t bytes) {
  if (!samples_.empty() && bytes < samples_.back().second) samples_.clear();  // a file that begins anew
  samples_.emplace_back(now, bytes);
  while (samples_.size() > 2 && now - samples_.front().first > kWindow) samples_.pop_front();
}

double ByteRate::per_second() const {
  if (samples_.size() < 2) return 0;
  const double seconds = std::chrono::duration<double>(samples_.back().first - samples_.front().first).count();
  return seconds < 0.2 ? 0 : static_cast<double>(samples_.back().second - samples_.front().second) / seconds;
}

PullDisplay::PullDisplay(Output output)
    : output_(std::move(output)),
      terminal_(output_.terminal ? *output_.terminal : ::isatty(::fileno(output_.file)) == 1) {}

PullDisplay::~PullDisplay() { wipe(); }

void PullDisplay::show(const PullEvent& event) {
  const Clock::time_point now = output_.now();
  take(event);
  if (!terminal_) print_plain(event);
  if (!event.file.empty() || (event.status != "pulling" && event.status != "waiting")) return;
  const auto pause = terminal_ ? Clock::duration(kRedraw) : Clock::duration(kPlainLine);
  if (!shown_) shown_ = terminal_ ? now - pause : now;
  if (now - *shown_ < pause) return;
  shown_ = now;
  if (terminal_) {
    draw(event);
  } else {
    fmt::print(output_.file, "{}\n", whole(event));
  }
  std::fflush(output_.file);
}

void PullDisplay::take(const PullEvent& event) {
  if (event.all_total > 0) rate_.add(output_.now(), event.all_completed);
  if (event.file.empty()) return;
  if (event.completed == event.total) {
    files_.erase(event.file);
    return;
  }
  File& file = files_[event.file];
  file.completed = event.completed;
  file.total = event.total;
  file.rate.add(output_.now(), event.completed);
}

void PullDisplay::print_plain(const PullEvent& event) {
  if (event.file.empty() || event.completed != event.total) return;
  fmt::print(output_.file, "{}: {}\n", event.file, describe_bytes(event.total));
  std::fflush(output_.file);
}

std::string PullDisplay::whole(const PullEvent& event) const {
  std::string text = progress_of(event.all_completed, event.all_total, rate_);
  if (event.status == "waiting") text += fmt::format("; the hub wants a pause of {:.0f} s", event.wait_seconds);
  return text;
}

void PullDisplay::draw(const PullEvent& event) {
  std::vector<std::string> lines;
  for (const auto& [name, file] : files_) {
    if (lines.size() < kMostFiles) {
      lines.push_back(
          fmt::format("{:<{}}  {}", fitting(name), kNameWidth, progress_of(file.completed, file.total, file.rate)));
    }
  }
  lines.push_back(fmt::format("{:<{}}  {}", "all", kNameWidth, whole(event)));
  const std::size_t known = output_.columns > 0 ? output_.columns : terminal_width(output_.file);
  const std::size_t columns = known > 0 ? known : kUsualColumns;
  wipe();
  for (const std::string& line : lines) fmt::print(output_.file, "{}\n", line.substr(0, columns - 1));
  lines_ = lines.size();
}

void PullDisplay::wipe() {
  if (lines_ > 0) fmt::print(output_.file, "\033[{}A\r\033[J", lines_);  // up, and all below
  lines_ = 0;
}

}  // namespace glimt
