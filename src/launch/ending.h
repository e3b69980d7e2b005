// When a launch ends, how, and with which status: policy only, without processes or a clock.
//
// The first rank that ends, ends all: the others get `grace` to notice and end by themselves, then SIGTERM, then
// SIGKILL. A signal to the launcher ends all as well: rank 0 gets SIGTERM and `drain` to finish what it does (a server
// its answers), for which it needs the others; they get SIGTERM when it is gone. A second signal is SIGKILL at once.
#pragma once

#include "launch/child.h"
#include "launch/signals.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace glimt::launch {

struct Patience {
  std::chrono::milliseconds grace{15'000};  // longer than a rank needs to notice that another one is gone
  std::chrono::milliseconds drain{0};       // of rank 0, after a signal
  std::chrono::milliseconds kill{5'000};    // from SIGTERM to SIGKILL
};

class Ending {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Order {
    int rank;
    int signal;
  };

  // `names`: of the ranks, for messages: "rank 1".
  Ending(std::vector<std::string> names, Patience patience);

  // What has happened. The first end counts as the cause.
  void on_end(int rank, HowEnded how, Time now);
  void on_signal(Signal signal, Time now);

  // The signals that are due, once each; and when to ask again, if nothing happens before.
  std::vector<Order> due(Time now);
  std::optional<Time> next() const { return deadline_; }

  // What to tell since the last call, one line each.
  std::vector<std::string> messages();

  bool done() const;  // every rank has ended
  int status() const;

 private:
  enum class Stage { running, waiting, terminating, killing };

  void order_running(int signal);
  void terminate(Time now);
  void kill();
  void tell_end(int rank, const HowEnded& how);
  void tell_wait();

  std::vector<std::string> names_;
  Patience patience_;
  std::vector<std::optional<HowEnded>> ends_;
  std::vector<Order> orders_;
  std::vector<std::string> messages_;
  Stage stage_ = Stage::running;
  std::optional<Time> deadline_;  // of the stage
  int signal_ = 0;                // that the launcher got first
  int first_ = -1;                // the rank that ended first
  int failed_ = -1;               // the rank that failed first, without being told to end
  bool forced_ = false;           // rank 0 was told to end because another rank had
};

}  // namespace glimt::launch
