// A rank above 0, which does what rank 0's plans say: a stage of a pipeline, or its share of every layer.
#pragma once

#include "distributed/group.h"
#include "model/group_sums.h"
#include "model/layer_stack.h"
#include "model/stage_messages.h"

#include <cstdint>
#include <map>
#include <memory>

namespace glimt {

// Used by one thread.
class FollowingRank {
 public:
  // `layers`: this rank's. sums: what shared layers sum with; null in a pipeline.
  FollowingRank(Config config, const kernels::Device& device, std::shared_ptr<Group> group, LayerStack layers,
                std::shared_ptr<const GroupSums> sums);

  // Tells rank 0 how many bytes this rank's cache may have, then follows until rank 0 has left. Throws internal when the
  // group is broken; what breaks here breaks the group.
  void follow(std::size_t cache_bytes);

 private:
  void carry_out(MessageReader& plan);
  void forward(LatentPool& pool, MessageReader& plan);
  void compute_stage(LatentPool& pool, const kernels::StepPtr& piece, const Observer& observe);
  void compute_share(LatentPool& pool, const kernels::StepPtr& step);
  StageStates receive_states(int from, std::uint64_t tag);
  mx::array compute(const mx::array& states, LatentPool& pool, const kernels::StepPtr& piece, const Observer& observe);
  void send_block(LatentPool& pool, int block);
  LatentPool& pool(std::uint64_t id);
  bool is_last() const { return group_->rank() + 1 == group_->size(); }

  Config config_;
  kernels::Device device_;
  std::shared_ptr<Group> group_;
  LayerStack layers_;
  std::shared_ptr<const GroupSums> sums_;
  std::map<std::uint64_t, LatentPool> pools_;  // by the id of rank 0's
  std::uint64_t plans_ = 0, states_ = 0, blocks_ = 0, observed_ = 0, timed_ = 0;
};

}  // namespace glimt
