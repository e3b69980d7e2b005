// A model that several ranks compute, as rank 0 has it: what a pipeline and shared layers have in common.
//
// Rank 0 has both ends of the model besides its part of the layers: the embedding, the last norm, the head, and the MTP
// layer. What it samples from and what it guesses with is there without a message, a tied embedding is there once, and
// hidden states (8 KB a row) cross the network instead of logits (600 KB).
#pragma once

#include "model/glm4_moe_lite.h"
#include "model/remote_ranks.h"

#include <memory>
#include <optional>

namespace glimt {

class SpreadLm : public Glm4MoeLite {
 public:
  ModelSigns signs() const override;
  PoolShape cache_shape() const override;
  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe = {}) const override;
  std::optional<StageTimes> stage_times() const override;

 protected:
  SpreadLm(Config config, Weights& weights, int layers, const LayerShare& share = {})
      : Glm4MoeLite(std::move(config), weights, layers, share) {}

  // Once the others have their parts.
  void set_ranks(std::shared_ptr<RemoteRanks> ranks);
  Group& group() const { return ranks_->group(); }

  // forward(); what it throws breaks the group. Adds the times of the ranks to `times`.
  virtual mx::array over_ranks(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                               const Observer& observe, StageTimes& times) const = 0;

 private:
  std::shared_ptr<RemoteRanks> ranks_;
  mutable StageTimes times_;
};

}  // namespace glimt
