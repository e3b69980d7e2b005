#include "launch/launcher.h"

#include "base/error.h"
#include "launch/line_prefix.h"
#include "launch/poll_time.h"
#include "launch/signals.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <memory>
#include <utility>

namespace glimt::launch {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kMostWaiting = 256 << 10;  // bytes that `errors` has not taken; then the ranks have to wait
constexpr std::size_t kAtOnce = 4096;            // bytes that a pipe takes without waiting when poll() says so
constexpr milliseconds kLastWords{1000};         // for what is left to read and write when all have ended

// Lines on their way to `errors`, written as fast as it takes them.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}

  void add(const std::string& lines) { waiting_ += lines; }
  bool empty() const { return waiting_.empty(); }
  bool is_full() const { return waiting_.size() > kMostWaiting; }
  int fd() const { return fd_; }

  // REQUIRES that poll() said that fd() is writable, or broken.
  void write_some() {
    const ssize_t count = ::write(fd_, waiting_.data(), std::min(waiting_.size(), kAtOnce));
    if (count < 0 && errno != EINTR && errno != EAGAIN) return waiting_.clear();  // nobody reads it
    if (count > 0) waiting_.erase(0, static_cast<std::size_t>(count));
  }

 private:
  int fd_;
  std::string waiting_;
};

Plumbing plumbing_of(int rank, const Rank& what) {
  using Input = Plumbing::Input;
  // Rank 0 stays in the group that the terminal listens to, so that it may read from it.
  if (rank == 0) return {.input = Input::inherited, .piped_output = false, .own_group = false};
  return {.input = what.remote ? Input::piped : Input::none};
}

// A rank that was started, and what it has said of a line.
class RunningRank {
 public:
  RunningRank(int number, const Rank& what)
      : number_(number),
        remote_(what.remote),
        child_(what.program, plumbing_of(number, what)),
        output_(number),
        errors_(number) {
    for (const int fd : {child_.output(), child_.errors()}) {
      if (fd >= 0) ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    const std::string& settings = what.settings;
    if (!settings.empty() && ::write(child_.input(), settings.data(), settings.size()) < 0) child_.close_input();
  }

  int number() const { return number_; }
  std::vector<int> readable() const { return {child_.output(), child_.errors()}; }
  bool is_silent() const { return child_.output() < 0 && child_.errors() < 0; }

  // Everything that has come so far.
  void read(Lines& lines) {
    if (read_all(child_.output(), output_, lines)) child_.close_output();
    if (read_all(child_.errors(), errors_, lines)) child_.close_errors();
  }

  void signal(int number) {
    if (remote_ && number == SIGTERM) {
      child_.close_input();
    } else {
      child_.signal(number);
    }
  }

  // How it ended, the first time that it has.
  std::optional<HowEnded> news() {
    if (told_) return std::nullopt;
    const std::optional<HowEnded> how = child_.ended();
    told_ = how.has_value();
    return how;
  }

 private:
  // True at the end of the stream.
  static bool read_all(int fd, LinePrefix& prefix, Lines& lines) {
    char bytes[kAtOnce];
    while (fd >= 0 && !lines.is_full()) {
      const ssize_t count = ::read(fd, bytes, sizeof bytes);
      if (count > 0) {
        lines.add(prefix.push({bytes, static_cast<std::size_t>(count)}));
      } else if (count == 0 || (errno != EINTR && errno != EAGAIN)) {
        lines.add(prefix.flush());
        return true;
      } else {
        return false;
      }
    }
    return false;
  }

  int number_;
  bool remote_;
  Child child_;
  LinePrefix output_, errors_;
  bool told_ = false;
};

std::vector<std::string> names_of(const std::vector<Rank>& ranks) {
  std::vector<std::string> names;
  names.reserve(ranks.size());
  for (const Rank& rank : ranks) names.push_back(rank.name);
  return names;
}

class Launcher {
 public:
  Launcher(const std::vector<Rank>& ranks, Patience patience, int errors)
      : ending_(names_of(ranks), patience), lines_(errors) {
    for (const Rank& rank : ranks) {
      ranks_.push_back(std::make_unique<RunningRank>(static_cast<int>(ranks_.size()), rank));
    }
  }

  int run() {
    while (!ending_.done()) {
      wait(ending_.next());
      for (const Signal signal : signals_.take()) {
        if (signal.number != SIGCHLD) ending_.on_signal(signal, Clock::now());
      }
      read();
      notice_ends();
      for (const auto [rank, signal] : ending_.due(Clock::now()))
        ranks_[static_cast<std::size_t>(rank)]->signal(signal);
      for (const std::string& message : ending_.messages()) lines_.add("glimt launch: " + message + "\n");
    }
    finish();
    return ending_.status();
  }

 private:
  // Until something is to be read, lines can be written, a signal has come, or the time is over.
  void wait(std::optional<Clock::time_point> end) {
    std::vector<pollfd> fds = {{signals_.fd(), POLLIN, 0}, {lines_.empty() ? -1 : lines_.fd(), POLLOUT, 0}};
    for (const auto& rank : ranks_) {
      for (const int fd : rank->readable()) fds.push_back({lines_.is_full() ? -1 : fd, POLLIN, 0});
    }
    const int ready = ::poll(fds.data(), fds.size(), milliseconds_until(end));
    if (ready > 0 && fds[1].revents != 0) lines_.write_some();
  }

  void read() {
    for (const auto& rank : ranks_) rank->read(lines_);
  }

  // Those that a signal ended come first: where a rank was killed and another one ended because of it, the kill is what
  // the user has to hear of.
  void notice_ends() {
    std::vector<std::pair<int, HowEnded>> ends;
    for (const auto& rank : ranks_) {
      if (const std::optional<HowEnded> how = rank->news()) ends.emplace_back(rank->number(), *how);
    }
    if (!ends.empty()) read();  // its last words, before that it ended
    std::stable_partition(ends.begin(), ends.end(), [](const auto& end) { return end.second.signal != 0; });
    for (const auto& [rank, how] : ends) ending_.on_end(rank, how, Clock::now());
  }

  void finish() {
    const auto end = Clock::now() + kLastWords;
    const auto is_silent = [](const auto& rank) { return rank->is_silent(); };
    while (Clock::now() < end && (!lines_.empty() || !std::all_of(ranks_.begin(), ranks_.end(), is_silent))) {
      read();
      if (!lines_.empty() || !std::all_of(ranks_.begin(), ranks_.end(), is_silent)) wait(end);
      signals_.take();
    }
  }

  Signals signals_;  // first, so that no signal finds ranks without a launcher
  Ending ending_;
  Lines lines_;
  std::vector<std::unique_ptr<RunningRank>> ranks_;
};

}  // namespace

int run_ranks(const std::vector<Rank>& ranks, Patience patience, int errors) {
  return Launcher(ranks, patience, errors).run();
}

}  // namespace glimt::launch
