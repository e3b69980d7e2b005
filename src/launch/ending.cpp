#include "launch/ending.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace glimt::launch {

Ending::Ending(std::vector<std::string> names, Patience patience)
    : names_(std::move(names)), patience_(patience), ends_(names_.size()) {}

bool Ending::done() const {
  return std::all_of(ends_.begin(), ends_.end(), [](const auto& end) { return end.has_value(); });
}

void Ending::order_running(int signal) {
  for (std::size_t rank = 0; rank < ends_.size(); ++rank) {
    if (!ends_[rank]) orders_.push_back({static_cast<int>(rank), signal});
  }
}

void Ending::terminate(Time now) {
  forced_ = forced_ || (signal_ == 0 && !ends_.front());
  stage_ = Stage::terminating;
  deadline_ = now + patience_.kill;
  order_running(SIGTERM);
}

void Ending::kill() {
  stage_ = Stage::killing;
  deadline_.reset();
  order_running(SIGKILL);
}

void Ending::on_end(int rank, HowEnded how, Time now) {
  ends_[static_cast<std::size_t>(rank)] = how;
  if (first_ < 0) first_ = rank;
  if (signal_ == 0 && stage_ < Stage::terminating) tell_end(rank, how);
  if (done()) {
    deadline_.reset();
  } else if (signal_ != 0 && rank == 0 && stage_ < Stage::terminating) {
    terminate(now);
  } else if (stage_ == Stage::running) {
    stage_ = Stage::waiting;
    deadline_ = now + patience_.grace;
  }
}

void Ending::tell_end(int rank, const HowEnded& how) {
  if (how.ok()) return;
  const bool is_cause = std::exchange(failed_, failed_ < 0 ? rank : failed_) < 0;
  const char* others = is_cause && !done() ? "; the others end" : "";
  messages_.push_back(fmt::format("{} {}{}", names_[static_cast<std::size_t>(rank)], how.words(), others));
}

void Ending::on_signal(Signal signal, Time now) {
  const bool is_first = std::exchange(signal_, signal_ == 0 ? signal.number : signal_) == 0;
  if (!is_first || stage_ == Stage::terminating) return kill();
  if (stage_ == Stage::killing) return;
  if (stage_ == Stage::waiting || ends_.front() || patience_.drain.count() == 0) return terminate(now);
  // The terminal has told rank 0 already, and a second signal would be an order to hurry.
  if (!signal.from_terminal) orders_.push_back({0, SIGTERM});
  stage_ = Stage::waiting;
  deadline_ = now + patience_.drain;
}

std::vector<Ending::Order> Ending::due(Time now) {
  if (deadline_ && now >= *deadline_) {
    if (stage_ == Stage::terminating) {
      kill();
    } else {
      if (signal_ == 0) tell_wait();
      terminate(now);
    }
  }
  return std::exchange(orders_, {});
}

void Ending::tell_wait() {
  for (std::size_t rank = 0; rank < ends_.size(); ++rank) {
    if (ends_[rank]) continue;
    messages_.push_back(fmt::format("{} still runs {:.3g} s after {} has ended, and is told to end", names_[rank],
                                    std::chrono::duration<double>(patience_.grace).count(),
                                    names_[static_cast<std::size_t>(first_)]));
  }
}

std::vector<std::string> Ending::messages() { return std::exchange(messages_, {}); }

int Ending::status() const {
  if (failed_ >= 0) return ends_[static_cast<std::size_t>(failed_)]->status();
  if (signal_ == 0) return forced_ ? 1 : 0;
  const std::optional<HowEnded>& front = ends_.front();
  return front && front->signal == 0 ? front->code : 128 + signal_;
}

}  // namespace glimt::launch
