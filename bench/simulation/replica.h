// One server in virtual time: the engine's Scheduler, PrefixCache, DraftPolicy, StepCosts and StepTimes as they are,
// over a model that takes the measured time for each step and whose tokens are known beforehand.
#pragma once

#include "cache/block_pool.h"
#include "cache/block_refs.h"
#include "cache/prefix_cache.h"
#include "engine/draft_policy.h"
#include "engine/scheduler.h"
#include "engine/step_costs.h"
#include "engine/step_times.h"
#include "simulation/step_seconds.h"

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <vector>

namespace glimt::simulation {

struct ReplicaOptions {
  int parallel = 8;
  int queue = 256;
  int step_tokens = 512;
  double step_time = 0.25;  // seconds; 0: no limit
  double cache_bytes = 8e9;
  double acceptance = 0;  // how often a guess of the MTP layer stands; 0: a model without that layer
};

// What became of requests in a step.
struct Progress {
  SequenceId id;
  int tokens = 0;  // of its answer, in this step
  int cached = 0;  // of its prompt, found in the prefix cache when it was admitted first
  bool ended = false;
  std::optional<Refusal> refused = {};  // ended without its whole answer
};

// Used by one thread.
class Replica {
 public:
  Replica(const ReplicaOptions& options, const StepSeconds& seconds, std::uint64_t seed);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // `tokens`: the prompt, then the answer that it will get. Or says why it refuses.
  std::optional<Refusal> submit(SequenceId id, std::vector<TokenId> tokens, int prompt);

  // Begins a step and says how long it takes; nothing if there is nothing to do, except perhaps to tell of `ended`
  // requests, which are in what finish_step() returns. REQUIRES that the step before is finished.
  std::optional<double> start_step(double now);

  // The step that was begun is over.
  std::vector<Progress> finish_step();

  int requests() const { return static_cast<int>(sequences_.size()); }
  std::uint64_t preemptions() const { return preemptions_; }
  double most_bytes() const;  // of the cache that sequences and prefixes held at once
  bool holds_nothing_but_prefixes() const { return pool_.free_count() + prefixes_.evictable() == pool_.size(); }

  static constexpr int kBlockTokens = 128;

 private:
  struct Sequence;
  struct Work {
    SequenceId id;
    int count;
    bool decodes;
  };

  std::span<const TokenId> text(const Sequence& s) const;
  Plan plan(double now);
  std::optional<StepBudget> budget() const;
  RunningView running_view(const Sequence& s) const;
  WaitingView waiting_view(const Sequence& s) const;
  bool waits_for(const Sequence& waiting, const Sequence& running) const;
  void carry_out(const Plan& plan);
  void admit(Sequence& s);
  void reserve(Sequence& s, int rows);
  void leave(Sequence& s);
  void end(SequenceId id, std::optional<Refusal> refused);
  double seconds_of_step() const;
  Progress advance(const Work& work);
  int accepted(int drafts);
  void draft();
  void learn();

  ReplicaOptions options_;
  const StepSeconds& seconds_;
  std::mt19937_64 random_;
  BlockPool pool_;
  PrefixCache prefixes_;
  Scheduler scheduler_;
  StepTimes times_;
  StepCosts costs_;
  std::map<SequenceId, Sequence> sequences_;
  std::vector<Work> work_;       // of the step that runs
  std::vector<Progress> ended_;  // by the plan of that step
  double step_seconds_ = 0;
  std::uint64_t preemptions_ = 0;
  int most_blocks_ = 0;
};

}  // namespace glimt::simulation
