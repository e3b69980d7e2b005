// The layers of a rank above 0, which does what rank 0's plans say.
#pragma once

#include "distributed/group.h"
#include "model/layer_stack.h"
#include "model/stage_messages.h"
#include "model/stage_plan.h"

#include <cstdint>
#include <map>
#include <memory>

namespace glimt {

// Used by one thread.
class PipelineStage {
 public:
  // Takes the tensors of the group's rank; the caller has set those of the others aside.
  PipelineStage(Config config, Weights& weights, std::shared_ptr<Group> group, const StagePlan& plan);

  // Tells rank 0 how many bytes this rank's cache may have, then follows until rank 0 has left. Throws internal when the
  // group is broken; what breaks here breaks the group.
  void follow(std::size_t cache_bytes);

 private:
  void carry_out(MessageReader& plan);
  void forward(LatentPool& pool, MessageReader& plan);
  mx::array compute(const mx::array& states, LatentPool& pool, const kernels::StepPtr& piece, const Observer& observe);
  void send_block(LatentPool& pool, int block);
  LatentPool& pool(std::uint64_t id);
  bool is_last() const { return group_->rank() + 1 == group_->size(); }

  Config config_;
  kernels::Device device_;
  std::shared_ptr<Group> group_;
  LayerStack layers_;
  std::map<std::uint64_t, LatentPool> pools_;  // by the id of rank 0's
  std::uint64_t plans_ = 0, states_ = 0, blocks_ = 0, observed_ = 0;
};

}  // namespace glimt
