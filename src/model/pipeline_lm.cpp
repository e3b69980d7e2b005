#include "model/pipeline_lm.h"

#include "kernels/process.h"

#include <chrono>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

PipelineLm::PipelineLm(Config config, Weights& weights, const StagePlan& plan)
    : Glm4MoeLite(std::move(config), weights, plan.count(0)) {
  times_.computing.resize(plan.layers.size());
}

void PipelineLm::join(std::shared_ptr<RemoteStages> stages) {
  stages_ = std::move(stages);
  stages_->group().show([queue = device().shared_queue()] { return queue->progress(); });
}

// Each stage works while it has a piece: of two pieces a rank, the stages stand still a third of the time.
int PipelineLm::prefill_rows() const { return kernels::process_prefill_rows() * 2 * stages_->group().size(); }

ModelSigns PipelineLm::signs() const {
  const auto here = CausalLm::signs().progress;
  const std::shared_ptr<Group> group = stages_->shared_group();
  return {[here, group]() -> std::optional<std::uint64_t> {
            const std::optional<std::uint64_t> own = here();
            if (!own) return std::nullopt;
            return *own + group->progress_of_others();
          },
          [group] { return group->failure(); }};
}

PoolShape PipelineLm::cache_shape() const {
  PoolShape shape = Glm4MoeLite::cache_shape();
  shape.remote = stages_;
  return shape;
}

mx::array PipelineLm::forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                              const Observer& observe) const {
  return stages_->group().or_fail([&] { return through_stages(ids, pool, step, observe); });
}

mx::array PipelineLm::through_stages(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                                     const Observer& observe) const {
  const auto start = Clock::now();
  const std::vector<kernels::StepPtr> pieces =
      observe ? std::vector{step} : cut_step(step, kernels::process_prefill_rows());
  stages_->begin(pool.id(), pieces, static_cast<bool>(observe));
  int first = 0;
  for (const kernels::StepPtr& piece : pieces) {
    const auto piece_start = Clock::now();
    const int rows = kernels::row_count(*piece);
    const mx::array part = pieces.size() == 1 ? ids : mx::slice(ids, {first}, {first + rows});
    first += rows;
    const mx::array states = layers().forward(embedded(part), pool, piece, observe).sum();
    kernels::evaluate({states});
    stages_->send({states, {seconds_since(piece_start)}});
  }
  std::vector<mx::array> hidden;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const StageStates last = stages_->receive();
    for (std::size_t s = 0; s < last.seconds.size(); ++s) times_.computing.at(s) += last.seconds[s];
    hidden.push_back(last.states);
  }
  if (observe) stages_->observe(observe);
  ++times_.steps;
  times_.total += seconds_since(start);
  return norm()(hidden.size() == 1 ? hidden[0] : mx::concatenate(hidden, 0));
}

std::optional<StageTimes> PipelineLm::stage_times() const {
  StageTimes times = times_;
  times.sent_bytes = stages_->group().traffic().bytes;
  return times;
}

}  // namespace glimt
