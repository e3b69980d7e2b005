#include "model/remote_ranks.h"

#include "base/error.h"

#include <algorithm>
#include <limits>

namespace glimt {

RemoteRanks::RemoteRanks(std::shared_ptr<Group> group)
    : group_(std::move(group)), cache_bytes_(static_cast<std::size_t>(group_->size())) {
  for (int rank = 1; rank < group_->size(); ++rank) {
    const Bytes ready = expect(rank, stage_tag(StageTag::ready));
    cache_bytes_[static_cast<std::size_t>(rank)] = MessageReader(ready).get<std::uint64_t>();
  }
}

Bytes RemoteRanks::expect(int rank, std::uint64_t tag) {
  std::optional<Bytes> message = group_->receive(rank, tag);
  if (!message) fail(ErrorKind::internal, group_->name(rank), "has left");
  return std::move(*message);
}

void RemoteRanks::flush() {
  if (plan_message_.empty()) return;
  for (int rank = 1; rank < group_->size(); ++rank) {
    group_->send(rank, stage_tag(StageTag::plan, plans_), plan_message_.bytes());
  }
  ++plans_;
  plan_message_.clear();
}

void RemoteRanks::begin(std::uint64_t pool, const std::vector<kernels::StepPtr>& pieces, bool observed) {
  plan_message_.put(StageOp::forward).put(pool).put(observed).put(static_cast<std::uint32_t>(pieces.size()));
  for (const kernels::StepPtr& piece : pieces) put_step(plan_message_, *piece);
  flush();
}

std::size_t RemoteRanks::most_blocks(std::size_t layer_bytes) const {
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (int rank = 1; rank < group_->size(); ++rank) {
    const std::size_t block = static_cast<std::size_t>(layers_of(rank)) * layer_bytes;
    least = std::min<std::size_t>(least, cache_bytes_[static_cast<std::size_t>(rank)] / block);
  }
  return least;
}

void RemoteRanks::open(std::uint64_t pool, kernels::RowType type, int blocks) {
  plan_message_.put(StageOp::open_pool).put(pool).put(type).put(blocks);
}

void RemoteRanks::close(std::uint64_t pool) noexcept {
  try {
    plan_message_.put(StageOp::close_pool).put(pool);
  } catch (...) {
    group_->fail(group_->name(0) + ": has no memory left");
  }
}

void RemoteRanks::copy_rows(std::uint64_t pool, int from, int to, int count) {
  plan_message_.put(StageOp::copy_rows).put(pool).put(from).put(to).put(count);
}

}  // namespace glimt
