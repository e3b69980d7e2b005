// A model whose layers lie on several machines, one stage a rank, as rank 0 has it. The text is that of one machine, bit
// for bit: the same layers in the same order over the same numbers.
#pragma once

#include "model/remote_stages.h"
#include "model/spread_lm.h"

#include <memory>

namespace glimt {

class PipelineLm : public SpreadLm {
 public:
  // Takes the tensors of rank 0; the caller has set those of the others aside.
  PipelineLm(Config config, Weights& weights, const StagePlan& plan)
      : SpreadLm(std::move(config), weights, plan.count(0)) {}

  // Before everything else.
  void join(std::shared_ptr<RemoteStages> stages);

  int prefill_rows() const override;

 protected:
  mx::array over_ranks(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step, const Observer& observe,
                       StageTimes& times) const override;

 private:
  std::shared_ptr<RemoteStages> stages_;
};

}  // namespace glimt
