#include "model/spread_lm.h"

#include <chrono>

namespace glimt {

void SpreadLm::set_ranks(std::shared_ptr<RemoteRanks> ranks) {
  ranks_ = std::move(ranks);
  times_.computing.resize(static_cast<std::size_t>(group().size()));
  group().show([queue = device().shared_queue()] { return queue->progress(); });
}

ModelSigns SpreadLm::signs() const {
  const auto here = CausalLm::signs().progress;
  const std::shared_ptr<Group> group = ranks_->shared_group();
  return {[here, group]() -> std::optional<std::uint64_t> {
            const std::optional<std::uint64_t> own = here();
            if (!own) return std::nullopt;
            return *own + group->progress_of_others();
          },
          [group] { return group->failure(); }};
}

PoolShape SpreadLm::cache_shape() const {
  PoolShape shape = Glm4MoeLite::cache_shape();
  shape.remote = ranks_;
  return shape;
}

mx::array SpreadLm::forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                            const Observer& observe) const {
  return group().or_fail([&] {
    const auto start = std::chrono::steady_clock::now();
    const mx::array hidden = over_ranks(ids, pool, step, observe, times_);
    ++times_.steps;
    times_.total += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return hidden;
  });
}

std::optional<StageTimes> SpreadLm::stage_times() const {
  StageTimes times = times_;
  times.sent_bytes = group().traffic().bytes;
  return times;
}

}  // namespace glimt
