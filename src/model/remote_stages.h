// Rank 0's side of a pipeline: the stages that other ranks compute, and the cache rows that they keep.
#pragma once

#include "model/causal_lm.h"
#include "model/remote_ranks.h"
#include "model/stage_plan.h"

#include <cstdint>
#include <memory>
#include <span>

namespace glimt {

class RemoteStages : public RemoteRanks {
 public:
  RemoteStages(std::shared_ptr<Group> group, StagePlan plan) : RemoteRanks(std::move(group)), plan_(std::move(plan)) {}

  // Behind the plan of a step: rank 0's own stage sends each piece's states.
  void send(const StageStates& states);
  StageStates receive();                  // of the pieces in order, behind the last stage
  void observe(const Observer& observe);  // after the last piece of an observed step

  int layers() const override { return plan_.first(plan_.ranks()) - plan_.count(0); }
  int layers_before() const override { return plan_.count(0); }
  void read_block(std::uint64_t pool, int block, std::span<std::byte> bytes) override;
  void write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) override;

 protected:
  int layers_of(int rank) const override { return plan_.count(rank); }

 private:
  // Of a block in all layers of the others, the bytes of one rank's.
  template <typename Byte>
  std::span<Byte> part_of(std::span<Byte> block, int rank) const;

  StagePlan plan_;
  std::uint64_t sent_ = 0, received_ = 0, blocks_ = 0, observed_ = 0;
};

}  // namespace glimt
