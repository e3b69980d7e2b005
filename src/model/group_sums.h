// Sums of hidden states over the ranks of a group.
#pragma once

#include "distributed/group.h"
#include "model/layer_share.h"

#include <cstdint>
#include <memory>

namespace glimt {

// Used by the thread that owns the model. All ranks sum in the same order, and between two sums nobody sends anything
// else that the others do not expect there. What breaks in the middle breaks the group for whoever waits in a sum.
class GroupSums : public RankSums {
 public:
  explicit GroupSums(std::shared_ptr<Group> group) : group_(std::move(group)) {}

  mx::array all_sum(const mx::array& part) const override;

  std::uint64_t count() const { return count_; }
  double seconds() const { return seconds_; }  // in messages, and waiting for slower ranks

 private:
  std::shared_ptr<Group> group_;
  mutable std::uint64_t count_ = 0;
  mutable double seconds_ = 0;
};

}  // namespace glimt
