#include "model/following_rank.h"

#include "base/error.h"
#include "kernels/evaluate.h"

#include <chrono>

namespace glimt {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

FollowingRank::FollowingRank(Config config, const kernels::Device& device, std::shared_ptr<Group> group,
                             LayerStack layers, std::shared_ptr<const GroupSums> sums)
    : config_(std::move(config)),
      device_(device),
      group_(std::move(group)),
      layers_(std::move(layers)),
      sums_(std::move(sums)) {
  group_->show([queue = device_.shared_queue()] { return queue->progress(); });
}

void FollowingRank::follow(std::size_t cache_bytes) {
  group_->or_fail([&] {
    MessageWriter ready;
    ready.put(static_cast<std::uint64_t>(cache_bytes));
    group_->send(0, stage_tag(StageTag::ready), ready.bytes());
    while (const std::optional<Bytes> bytes = group_->receive(0, stage_tag(StageTag::plan, plans_++))) {
      for (MessageReader plan(*bytes); !plan.at_end();) carry_out(plan);
    }
  });
}

LatentPool& FollowingRank::pool(std::uint64_t id) {
  const auto found = pools_.find(id);
  if (found == pools_.end()) fail(ErrorKind::internal, "stage", "there is no pool {}", id);
  return found->second;
}

void FollowingRank::carry_out(MessageReader& plan) {
  const auto op = plan.get<StageOp>();
  const auto id = plan.get<std::uint64_t>();
  switch (op) {
    case StageOp::open_pool: {
      const auto type = plan.get<kernels::RowType>();
      const PoolShape shape{layers_.count(), config_.cache_width(), type, &device_.ops()};
      pools_.try_emplace(id, shape, plan.get<int>());
      return;
    }
    case StageOp::close_pool: pools_.erase(id); return;
    case StageOp::copy_rows: {
      const int from = plan.get<int>(), to = plan.get<int>();
      return pool(id).copy_rows(from, to, plan.get<int>());
    }
    case StageOp::read_block: return send_block(pool(id), plan.get<int>());
    case StageOp::write_block: {
      const int block = plan.get<int>();
      return pool(id).write_block(block, plan.stretch());
    }
    case StageOp::forward: return forward(pool(id), plan);
  }
  fail(ErrorKind::internal, "stage", "an unknown operation in a plan");
}

void FollowingRank::send_block(LatentPool& pool, int block) {
  Bytes rows(pool.shape().block_bytes());
  pool.read_block(block, rows);
  group_->send(0, stage_tag(StageTag::block, blocks_++), rows);
}

void FollowingRank::forward(LatentPool& pool, MessageReader& plan) {
  const bool observed = plan.get<bool>();
  MessageWriter seen;
  Observer observe;
  if (observed) {
    observe = [&](const std::string& name, const mx::array& value) {
      seen.put(std::string_view(name));
      put_array(seen, value);
    };
  }
  std::vector<kernels::StepPtr> pieces;
  for (auto left = plan.get<std::uint32_t>(); left > 0; --left) {
    pieces.push_back(std::make_shared<const kernels::Step>(get_step(plan)));
  }
  for (const kernels::StepPtr& piece : pieces) {
    if (sums_) {
      compute_share(pool, piece);
    } else {
      compute_stage(pool, piece, observe);
    }
  }
  if (observed) group_->send(0, stage_tag(StageTag::observed, observed_++), seen.bytes());
}

StageStates FollowingRank::receive_states(int from, std::uint64_t tag) {
  const std::optional<Bytes> bytes = group_->receive(from, tag);
  if (!bytes) fail(ErrorKind::internal, group_->name(from), "has left in the middle of a step");
  return stage_states(*bytes);
}

void FollowingRank::compute_stage(LatentPool& pool, const kernels::StepPtr& piece, const Observer& observe) {
  const std::uint64_t tag = stage_tag(StageTag::states, states_++);
  StageStates states = receive_states(group_->rank() - 1, tag);
  const auto start = Clock::now();
  states.states = compute(states.states, pool, piece, observe);
  states.seconds.push_back(seconds_since(start));
  group_->send(is_last() ? 0 : group_->rank() + 1, tag, to_message(states));
}

void FollowingRank::compute_share(LatentPool& pool, const kernels::StepPtr& step) {
  const StageStates states = receive_states(0, stage_tag(StageTag::states, states_++));
  const auto start = Clock::now();
  const double summing = sums_->seconds();
  static_cast<void>(compute(states.states, pool, step, {}));
  sums_->check();
  MessageWriter seconds;
  seconds.put(seconds_since(start) - (sums_->seconds() - summing));
  group_->send(0, stage_tag(StageTag::seconds, timed_++), seconds.bytes());
}

mx::array FollowingRank::compute(const mx::array& states, LatentPool& pool, const kernels::StepPtr& piece,
                                 const Observer& observe) {
  if (states.ndim() != 2 || states.shape(0) != kernels::row_count(*piece) || states.shape(1) != config_.hidden_size) {
    fail(ErrorKind::internal, "stage", "hidden states of another shape than the plan's");
  }
  const mx::array behind = layers_.forward({states, std::nullopt}, pool, piece, observe).sum();
  kernels::evaluate({behind});
  return behind;
}

}  // namespace glimt
