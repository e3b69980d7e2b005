#include "model/remote_stages.h"

#include "base/error.h"

#include <algorithm>
#include <limits>

namespace glimt {
namespace {

Bytes expect(Group& group, int rank, std::uint64_t tag) {
  std::optional<Bytes> message = group.receive(rank, tag);
  if (!message) fail(ErrorKind::internal, group.name(rank), "has left");
  return std::move(*message);
}

}  // namespace

RemoteStages::RemoteStages(std::shared_ptr<Group> group, StagePlan plan)
    : group_(std::move(group)), plan_(std::move(plan)), cache_bytes_(plan_.layers.size()) {
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const Bytes ready = expect(*group_, rank, stage_tag(StageTag::ready));
    cache_bytes_[static_cast<std::size_t>(rank)] = MessageReader(ready).get<std::uint64_t>();
  }
}

void RemoteStages::flush() {
  if (plan_message_.empty()) return;
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    group_->send(rank, stage_tag(StageTag::plan, plans_), plan_message_.bytes());
  }
  ++plans_;
  plan_message_.clear();
}

void RemoteStages::begin(std::uint64_t pool, const std::vector<kernels::StepPtr>& pieces, bool observed) {
  plan_message_.put(StageOp::forward).put(pool).put(observed).put(static_cast<std::uint32_t>(pieces.size()));
  for (const kernels::StepPtr& piece : pieces) put_step(plan_message_, *piece);
  flush();
}

void RemoteStages::send(const StageStates& states) {
  group_->send(1, stage_tag(StageTag::states, sent_++), to_message(states));
}

StageStates RemoteStages::receive() {
  return stage_states(expect(*group_, plan_.ranks() - 1, stage_tag(StageTag::states, received_++)));
}

void RemoteStages::observe(const Observer& observe) {
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const Bytes bytes = expect(*group_, rank, stage_tag(StageTag::observed, observed_));
    for (MessageReader message(bytes); !message.at_end();) {
      const std::string name = message.text();
      observe(name, get_array(message));
    }
  }
  ++observed_;
}

std::size_t RemoteStages::most_blocks(std::size_t layer_bytes) const {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const std::size_t block = static_cast<std::size_t>(plan_.count(rank)) * layer_bytes;
    least = std::min<std::size_t>(least, cache_bytes_[static_cast<std::size_t>(rank)] / block);
  }
  return least;
}

void RemoteStages::open(std::uint64_t pool, kernels::RowType type, int blocks) {
  plan_message_.put(StageOp::open_pool).put(pool).put(type).put(blocks);
}

void RemoteStages::close(std::uint64_t pool) noexcept {
  try {
    plan_message_.put(StageOp::close_pool).put(pool);
  } catch (...) {
    group_->fail(group_->name(0) + ": has no memory left");
  }
}

void RemoteStages::copy_rows(std::uint64_t pool, int from, int to, int count) {
  plan_message_.put(StageOp::copy_rows).put(pool).put(from).put(to).put(count);
}

template <typename Byte>
std::span<Byte> RemoteStages::part_of(std::span<Byte> block, int rank) const {
  const std::size_t layer = block.size() / static_cast<std::size_t>(layers());
  return block.subspan(layer * static_cast<std::size_t>(plan_.first(rank) - plan_.count(0)),
                       layer * static_cast<std::size_t>(plan_.count(rank)));
}

void RemoteStages::read_block(std::uint64_t pool, int block, std::span<std::byte> bytes) {
  plan_message_.put(StageOp::read_block).put(pool).put(block);
  flush();
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const Bytes rows = expect(*group_, rank, stage_tag(StageTag::block, blocks_));
    const std::span<std::byte> part = part_of(bytes, rank);
    if (rows.size() != part.size()) {
      fail(ErrorKind::internal, group_->name(rank), "a block of {} bytes, not {}", rows.size(), part.size());
    }
    std::copy(rows.begin(), rows.end(), part.begin());
  }
  ++blocks_;
}

void RemoteStages::write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) {
  flush();
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    MessageWriter message;
    message.put(StageOp::write_block).put(pool).put(block).put(part_of(bytes, rank));
    group_->send(rank, stage_tag(StageTag::plan, plans_), message.bytes());
  }
  ++plans_;
}

}  // namespace glimt
