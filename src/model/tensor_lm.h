// A model whose layers are shared by several machines, each of which computes a part of every layer, as rank 0 has it.
// Two sums over the ranks a layer: behind attention, and behind the MLP or the experts. The numbers are those of one
// machine but for the order in which floats are added; they are the same in every run, chunk and batch.
#pragma once

#include "model/group_sums.h"
#include "model/remote_shares.h"
#include "model/spread_lm.h"

#include <memory>

namespace glimt {

class TensorLm : public SpreadLm {
 public:
  // Takes the tensors of rank 0, and of those that are cut its part.
  TensorLm(const Config& config, Weights& weights, const LayerShare& share, std::shared_ptr<const GroupSums> sums)
      : SpreadLm(config, weights, config.num_hidden_layers, share), sums_(std::move(sums)) {}

  // Before everything else.
  void join(std::shared_ptr<RemoteShares> shares);

 protected:
  mx::array over_ranks(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step, const Observer& observe,
                       StageTimes& times) const override;

 private:
  std::shared_ptr<const GroupSums> sums_;
  std::shared_ptr<RemoteShares> shares_;
};

}  // namespace glimt
