// Sums of hidden states over the ranks of a group.
#pragma once

#include "distributed/group.h"
#include "kernels/device.h"
#include "model/layer_share.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

namespace glimt {

// Used by the thread that owns the model. Each sum needs the one before it, so all ranks sum in the same order; while
// they do, nobody sends anything else that the others do not expect there.
//
// On the CPU a sum is an operation of the graph, which runs on the stream's thread: the graph is evaluated once, as that
// of one machine. Elsewhere the part is evaluated first; and in a process that has several ranks (a test), because MLX
// bounds what is under way in all of its streams together: ranks that wait would hold up the one they wait for.
class GroupSums : public RankSums {
 public:
  GroupSums(std::shared_ptr<Group> group, kernels::Device device);
  ~GroupSums() override { --ranks_here_; }
  GroupSums(const GroupSums&) = delete;
  GroupSums& operator=(const GroupSums&) = delete;

  // A sum that fails breaks the group, and gives zeros.
  mx::array all_sum(const mx::array& part) const override;

  // Behind an evaluation: throws internal if the group is broken, and what was computed means nothing.
  void check() const;

  std::uint64_t count() const;
  double seconds() const;  // in messages, and waiting for slower ranks

 private:
  struct State {
    std::shared_ptr<Group> group;
    std::atomic<std::uint64_t> count{0};
    std::atomic<double> seconds{0};

    void add_up(std::span<float> values) noexcept;
  };
  class Operation;

  static inline std::atomic<int> ranks_here_{0};

  kernels::Device device_;
  std::shared_ptr<State> state_;  // operations of the graph hold it as well
};

}  // namespace glimt
