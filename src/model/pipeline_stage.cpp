#include "model/pipeline_stage.h"

#include "base/error.h"
#include "kernels/evaluate.h"

#include <chrono>

namespace glimt {

PipelineStage::PipelineStage(Config config, Weights& weights, std::shared_ptr<Group> group, const StagePlan& plan)
    : config_(std::move(config)),
      device_(weights.device()),
      group_(std::move(group)),
      layers_(config_, weights, plan.first(group_->rank()), plan.count(group_->rank())) {
  group_->show([queue = device_.shared_queue()] { return queue->progress(); });
}

void PipelineStage::follow(std::size_t cache_bytes) {
  group_->or_fail([&] {
    MessageWriter ready;
    ready.put(static_cast<std::uint64_t>(cache_bytes));
    group_->send(0, stage_tag(StageTag::ready), ready.bytes());
    while (const std::optional<Bytes> bytes = group_->receive(0, stage_tag(StageTag::plan, plans_++))) {
      for (MessageReader plan(*bytes); !plan.at_end();) carry_out(plan);
    }
  });
}

LatentPool& PipelineStage::pool(std::uint64_t id) {
  const auto found = pools_.find(id);
  if (found == pools_.end()) fail(ErrorKind::internal, "stage", "there is no pool {}", id);
  return found->second;
}

void PipelineStage::carry_out(MessageReader& plan) {
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

void PipelineStage::send_block(LatentPool& pool, int block) {
  Bytes rows(pool.shape().block_bytes());
  pool.read_block(block, rows);
  group_->send(0, stage_tag(StageTag::block, blocks_++), rows);
}

void PipelineStage::forward(LatentPool& pool, MessageReader& plan) {
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
    const std::uint64_t tag = stage_tag(StageTag::states, states_++);
    const std::optional<Bytes> bytes = group_->receive(group_->rank() - 1, tag);
    if (!bytes) fail(ErrorKind::internal, group_->name(group_->rank() - 1), "has left in the middle of a step");
    const auto start = std::chrono::steady_clock::now();
    StageStates states = stage_states(*bytes);
    states.states = compute(states.states, pool, piece, observe);
    states.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    group_->send(is_last() ? 0 : group_->rank() + 1, tag, to_message(states));
  }
  if (observed) group_->send(0, stage_tag(StageTag::observed, observed_++), seen.bytes());
}

mx::array PipelineStage::compute(const mx::array& states, LatentPool& pool, const kernels::StepPtr& piece,
                                 const Observer& observe) {
  if (states.ndim() != 2 || states.shape(0) != kernels::row_count(*piece) || states.shape(1) != config_.hidden_size) {
    fail(ErrorKind::internal, "stage", "hidden states of another shape than the plan's");
  }
  const mx::array behind = layers_.forward({states, std::nullopt}, pool, piece, observe).sum();
  kernels::evaluate({behind});
  return behind;
}

}  // namespace glimt
