// Rank 0's side of a pipeline: the stages that other ranks compute, and the cache rows that they keep.
#pragma once

#include "cache/remote_rows.h"
#include "distributed/group.h"
#include "model/causal_lm.h"
#include "model/stage_messages.h"
#include "model/stage_plan.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace glimt {

// Used by the thread that owns the model. What breaks in the middle of a step breaks the group: the other ranks would
// wait for the rest of it.
class RemoteStages : public RemoteRows {
 public:
  // Waits until the others have loaded their parts. Throws internal if one of them is lost meanwhile.
  RemoteStages(std::shared_ptr<Group> group, StagePlan plan);

  // The plan of a step, of which rank 0's own stage then sends each piece's states.
  void begin(std::uint64_t pool, const std::vector<kernels::StepPtr>& pieces, bool observed);
  void send(const StageStates& states);
  StageStates receive();                  // of the pieces in order, behind the last stage
  void observe(const Observer& observe);  // after the last piece of an observed step

  int layers() const override { return plan_.first(plan_.ranks()) - plan_.count(0); }
  int layers_before() const override { return plan_.count(0); }
  std::size_t most_blocks(std::size_t layer_bytes) const override;
  void open(std::uint64_t pool, kernels::RowType type, int blocks) override;
  void close(std::uint64_t pool) noexcept override;
  void copy_rows(std::uint64_t pool, int from, int to, int count) override;
  void read_block(std::uint64_t pool, int block, std::span<std::byte> bytes) override;
  void write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) override;

  Group& group() const { return *group_; }
  const std::shared_ptr<Group>& shared_group() const { return group_; }

 private:
  void flush();

  // Of a block in all layers of the others, the bytes of one rank's.
  template <typename Byte>
  std::span<Byte> part_of(std::span<Byte> block, int rank) const;

  std::shared_ptr<Group> group_;
  StagePlan plan_;
  std::vector<std::uint64_t> cache_bytes_;  // of each rank
  MessageWriter plan_message_;              // for all of the others alike, not sent yet
  std::uint64_t plans_ = 0, sent_ = 0, received_ = 0, blocks_ = 0, observed_ = 0;
};

}  // namespace glimt
