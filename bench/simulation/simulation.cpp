#include "simulation/simulation.h"

#include <algorithm>
#include <memory>
#include <queue>
#include <tuple>
#include <utility>

namespace glimt::simulation {
namespace {

// A turn that is asked, or the end of a replica's step. At the same time the one that was planned first comes first.
struct Event {
  double time;
  std::uint64_t number;
  bool is_step;
  std::size_t of;  // the replica, or the session
  int turn;

  bool operator<(const Event& other) const {  // of a queue that gives the largest
    return std::tie(time, number) > std::tie(other.time, other.number);
  }
};

class Simulation {
 public:
  Simulation(const std::vector<Session>& sessions, const StepSeconds& seconds, const SimulationOptions& options)
      : sessions_(sessions),
        options_(options),
        balancer_(options.balancer, options.replicas),
        lengths_(sessions.size()),
        busy_(static_cast<std::size_t>(options.replicas)),
        in_step_(static_cast<std::size_t>(options.replicas)) {
    for (int i = 0; i < options.replicas; ++i) {
      const auto seed = options.seed + static_cast<std::uint64_t>(i);
      replicas_.push_back(std::make_unique<Replica>(options.replica, seconds, seed));
    }
  }

  Result run() {
    for (std::size_t i = 0; i < sessions_.size(); ++i) ask_later(i, 0, sessions_[i].start);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      if (event.is_step) {
        end_step(event.of);
      } else {
        ask(event.of, event.turn);
      }
    }
    return {report(), std::move(outcomes_)};
  }

 private:
  void ask_later(std::size_t session, int turn, double time) {
    const auto turns = static_cast<int>(sessions_[session].turns.size());
    if (turn < turns && time < options_.seconds) events_.push({time, ++planned_, false, session, turn});
  }

  void ask(std::size_t index, int turn) {
    const Session& session = sessions_[index];
    const Turn& what = session.turns[static_cast<std::size_t>(turn)];
    const int prompt = lengths_[index] + what.message;
    lengths_[index] = prompt + what.answer;
    outcomes_.push_back({.session = index, .turn = turn, .arrival = now_, .prompt = prompt});
    const std::optional<std::size_t> replica = send(session, outcomes_.size(), prompt);
    if (!session.waits && turn + 1 < static_cast<int>(session.turns.size())) {
      ask_later(index, turn + 1, session.start + session.turns[static_cast<std::size_t>(turn) + 1].pause);
    }
    if (replica && !in_step_[*replica]) start_step(*replica);
  }

  // To the first replica that takes it. The id of a request is its number among the outcomes, from 1 on.
  std::optional<std::size_t> send(const Session& session, SequenceId id, int prompt) {
    Outcome& outcome = outcomes_[id - 1];
    std::vector<int> running;
    for (const auto& replica : replicas_) running.push_back(replica->requests());
    const int answer = session.turns[static_cast<std::size_t>(outcome.turn)].answer;
    for (const int choice : balancer_.order(session.text, running)) {
      outcome.replica = choice;
      const auto place = static_cast<std::size_t>(choice);
      const auto refusal = replicas_[place]->submit(id, tokens_of(session, prompt + answer), prompt);
      if (!refusal) return place;
      if (refusal != Refusal::queue_full) break;
    }
    outcome.rejected = true;
    outcome.end = now_;
    return std::nullopt;
  }

  void start_step(std::size_t replica) {
    const std::optional<double> seconds = replicas_[replica]->start_step(now_);
    in_step_[replica] = seconds.has_value();
    if (!seconds) return;
    if (now_ < options_.seconds) busy_[replica] += *seconds;
    events_.push({now_ + *seconds, ++planned_, true, replica, 0});
  }

  void end_step(std::size_t replica) {
    for (const Progress& progress : replicas_[replica]->finish_step()) take(progress);
    start_step(replica);
  }

  void take(const Progress& progress) {
    Outcome& outcome = outcomes_[progress.id - 1];
    if (progress.tokens > 0) take_tokens(outcome, progress);
    if (!progress.ended) return;
    outcome.end = now_;
    outcome.rejected = progress.refused.has_value();
    const Session& session = sessions_[outcome.session];
    const auto next = static_cast<std::size_t>(outcome.turn) + 1;
    if (!outcome.rejected && session.waits && next < session.turns.size()) {
      ask_later(outcome.session, outcome.turn + 1, now_ + session.turns[next].pause);
    }
  }

  void take_tokens(Outcome& outcome, const Progress& progress) {
    if (now_ >= options_.warm_up && now_ < options_.seconds) tokens_ += progress.tokens;
    if (outcome.tokens == 0) {
      outcome.first_token = now_;
      outcome.cached = progress.cached;
    } else if (counts(outcome)) {
      between_.push_back(static_cast<float>(now_ - outcome.end));
    }
    for (int i = 1; i < progress.tokens && counts(outcome); ++i) between_.push_back(0);  // they come together
    outcome.tokens += progress.tokens;
    outcome.end = now_;
  }

  bool counts(const Outcome& outcome) const { return outcome.arrival >= options_.warm_up; }

  Report report() {
    Report report{.replicas = options_.replicas, .between = percentiles(between_)};
    std::vector<float> first;
    double found = 0, known = 0;
    for (const Outcome& outcome : outcomes_) {
      if (!counts(outcome)) continue;
      ++report.requests;
      ++(outcome.rejected ? report.rejected : report.answered);
      if (outcome.rejected) continue;
      first.push_back(static_cast<float>(outcome.first_token - outcome.arrival));
      const Session& session = sessions_[outcome.session];
      const int before = outcome.prompt - session.turns[static_cast<std::size_t>(outcome.turn)].message;
      found += std::min(outcome.cached, before);
      known += before;
    }
    report.first_token = percentiles(first);
    report.hit_rate = known > 0 ? found / known : 0;
    for (const double busy : busy_) {
      report.busy += busy / options_.seconds / options_.replicas;
      report.busiest = std::max(report.busiest, busy / options_.seconds);
    }
    for (const auto& replica : replicas_) {
      report.memory = std::max(report.memory, replica->most_bytes());
      report.preemptions += replica->preemptions();
    }
    report.tokens_a_second = static_cast<double>(tokens_) / std::max(options_.seconds - options_.warm_up, 1.0);
    return report;
  }

  const std::vector<Session>& sessions_;
  SimulationOptions options_;
  Balancer balancer_;
  std::vector<std::unique_ptr<Replica>> replicas_;
  std::vector<int> lengths_;  // of the conversations
  std::vector<double> busy_;  // seconds of each replica
  std::vector<bool> in_step_;
  std::priority_queue<Event> events_;
  std::uint64_t planned_ = 0;
  double now_ = 0;
  std::vector<Outcome> outcomes_;
  std::vector<float> between_;
  std::int64_t tokens_ = 0;
};

}  // namespace

Result simulate(const std::vector<Session>& sessions, const StepSeconds& seconds, const SimulationOptions& options) {
  return Simulation(sessions, seconds, options).run();
}

}  // namespace glimt::simulation
