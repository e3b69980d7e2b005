// Rank 0's side of a model that several ranks compute: what it tells the others to do, one message a step, and the cache
// rows that they keep.
#pragma once

#include "cache/remote_rows.h"
#include "distributed/group.h"
#include "model/stage_messages.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace glimt {

// Used by the thread that owns the model. What breaks in the middle of a step breaks the group: the other ranks would
// wait for the rest of it.
class RemoteRanks : public RemoteRows {
 public:
  // Waits until the others have loaded their parts. Throws internal if one of them is lost meanwhile.
  explicit RemoteRanks(std::shared_ptr<Group> group);

  // The plan of a step.
  void begin(std::uint64_t pool, const std::vector<kernels::StepPtr>& pieces, bool observed);

  std::size_t most_blocks(std::size_t layer_bytes) const override;
  void open(std::uint64_t pool, kernels::RowType type, int blocks) override;
  void close(std::uint64_t pool) noexcept override;
  void copy_rows(std::uint64_t pool, int from, int to, int count) override;

  Group& group() const { return *group_; }
  const std::shared_ptr<Group>& shared_group() const { return group_; }

 protected:
  // Layers whose rows a rank above 0 keeps.
  virtual int layers_of(int rank) const = 0;

  // Throws internal if the rank has left.
  Bytes expect(int rank, std::uint64_t tag);

  // The plan so far, to all of the others.
  MessageWriter& plan() { return plan_message_; }
  void flush();

  // A block's rows, for each rank those that `part` gives.
  template <typename Part>
  void write_parts(std::uint64_t pool, int block, const Part& part) {
    flush();
    for (int rank = 1; rank < group_->size(); ++rank) {
      MessageWriter message;
      message.put(StageOp::write_block).put(pool).put(block).put(part(rank));
      group_->send(rank, stage_tag(StageTag::plan, plans_), message.bytes());
    }
    ++plans_;
  }

 private:
  std::shared_ptr<Group> group_;
  std::vector<std::uint64_t> cache_bytes_;  // of each rank
  MessageWriter plan_message_;              // for all of the others alike, not sent yet
  std::uint64_t plans_ = 0;
};

}  // namespace glimt
