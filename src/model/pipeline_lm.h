// A model whose layers lie on several machines, one stage a rank, as rank 0 has it. The text is that of one machine, bit
// for bit: the same layers in the same order over the same numbers.
//
// Rank 0 has both ends of the model besides its layers: the embedding, the last norm, the head, and the MTP layer. What
// it samples from and what it guesses with is there without a message, a tied embedding is there once, and hidden states
// (8 KB a row) cross the network instead of logits (600 KB).
#pragma once

#include "model/glm4_moe_lite.h"
#include "model/remote_stages.h"

#include <memory>
#include <optional>

namespace glimt {

class PipelineLm : public Glm4MoeLite {
 public:
  // Takes the tensors of rank 0; the caller has set those of the others aside.
  PipelineLm(Config config, Weights& weights, const StagePlan& plan);

  // Waits for the others. Before everything else.
  void join(std::shared_ptr<RemoteStages> stages);

  int prefill_rows() const override;
  ModelSigns signs() const override;
  PoolShape cache_shape() const override;
  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe = {}) const override;
  std::optional<StageTimes> stage_times() const override;

 private:
  mx::array through_stages(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                           const Observer& observe) const;

  std::shared_ptr<RemoteStages> stages_;
  mutable StageTimes times_;
};

}  // namespace glimt
