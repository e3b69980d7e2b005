// The part of the engine that owns the model: which sequences run, and the step that advances them.
#pragma once

#include "engine/cache_plan.h"
#include "engine/cache_space.h"
#include "engine/engine_options.h"
#include "engine/mask_worker.h"
#include "engine/metrics.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/speculation.h"
#include "engine/step_batch.h"
#include "engine/step_costs.h"
#include "engine/step_sampler.h"
#include "engine/step_times.h"
#include "engine/step_watch.h"
#include "model/causal_lm.h"

#include <cstddef>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

// Used by the thread that loaded the model, and by no other. What breaks ends alone: an exception of one sequence's
// grammar, sampler or memory ends that sequence's stream with it; only a forward pass that breaks ends all that were in
// it.
class EngineLoop {
 public:
  // Throws invalid_request for limits that the model or the budget does not allow. REQUIRES: cache_memory is set.
  EngineLoop(std::unique_ptr<CausalLm> model, const EngineOptions& options, const StartThread& start = start_thread);

  // Queues the sequence, or ends its stream with an error.
  void submit(std::unique_ptr<Sequence> sequence) noexcept;

  // Runs one forward pass for the scheduled sequences, or only makes room if none can run. Returns false when there is
  // nothing to do until something is submitted or cancelled.
  bool step();

  // Ends everything as cancelled, or with an error.
  void cancel_all() noexcept;
  void fail_all(const std::exception_ptr& error) noexcept;

  // The last step could run nothing although sequences wait.
  bool stalled() const { return stalled_; }

  // For any thread, also when this has gone: begin() and end() of a step are for who calls step().
  const std::shared_ptr<StepWatch>& watch() const { return watch_; }

  EngineMetrics metrics() const;
  std::map<std::string, int> waiting_by_name_space() const { return scheduler_.waiting_by_name_space(); }
  const CausalLm& model() const { return *model_; }
  std::size_t context() const { return plan_.context; }
  const PoolShape& shape() const { return cache_.shape(); }

  // Prefixes that a session file is written from or read into: they hold their blocks until they are erased.
  CacheSpace& cache() { return cache_; }
  std::list<HeldPrefix>& held() { return held_; }

 private:
  void drop_cancelled();
  Plan plan();
  std::optional<StepBudget> budget() const;
  std::vector<SequenceStep> carry_out(const Plan& plan);
  void add_step(const Plan::Work& part, bool prefill, std::vector<SequenceStep>& steps);
  bool fail_the_first_in_line();
  void admit(Sequence& sequence);
  void compute(std::vector<SequenceStep>& steps);
  void forward(std::vector<SequenceStep>& steps);
  void sample(std::vector<SequenceStep>& steps, const mx::array& hidden);
  void take_masks(std::vector<SequenceStep>& steps);
  void take_tokens(SequenceStep& step, std::span<Choice> choices);
  bool wait_for_masks();
  void speculate(std::vector<SequenceStep>& steps, const mx::array& hidden);
  void close(std::vector<SequenceStep>& steps);
  void measure(const std::vector<SequenceStep>& steps, double seconds, std::uint64_t generated);
  void leave_rows(Sequence& sequence) noexcept;
  void finish(Sequence& sequence, FinishReason reason) noexcept;
  void fail(Sequence& sequence, std::exception_ptr error) noexcept;
  void fail(SequenceStep& step, std::exception_ptr error) noexcept;
  void forget(Sequence& sequence) noexcept;

  std::unique_ptr<CausalLm> model_;
  EngineOptions options_;
  std::shared_ptr<StepWatch> watch_;
  CachePlan plan_;
  CacheSpace cache_;
  SpeculativeDecoding speculation_;
  Scheduler scheduler_;
  std::map<SequenceId, std::unique_ptr<Sequence>> sequences_;  // waiting and running
  std::list<HeldPrefix> held_;
  StepCosts costs_;  // of steps in which every sequence decodes
  StepTimes times_;
  MaskWorker mask_worker_;
  StepSampler sampler_;
  EngineMetrics totals_;
  bool stalled_ = false;
};

}  // namespace glimt
