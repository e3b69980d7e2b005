#include "model/pipeline_lm.h"

#include <chrono>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

void PipelineLm::join(std::shared_ptr<RemoteStages> stages) {
  stages_ = std::move(stages);
  set_ranks(stages_);
}

// Each stage works while it has a piece: of two pieces a rank, the stages stand still a third of the time.
int PipelineLm::prefill_rows() const { return device().prefill_rows() * 2 * group().size(); }

mx::array PipelineLm::over_ranks(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                                 const Observer& observe, StageTimes& times) const {
  const std::vector<kernels::StepPtr> pieces = observe ? std::vector{step} : cut_step(step, device().prefill_rows());
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
    for (std::size_t s = 0; s < last.seconds.size(); ++s) times.computing.at(s) += last.seconds[s];
    hidden.push_back(last.states);
  }
  if (observe) stages_->observe(observe);
  return norm()(hidden.size() == 1 ? hidden[0] : mx::concatenate(hidden, 0));
}

}  // namespace glimt
