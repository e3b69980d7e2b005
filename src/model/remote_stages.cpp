#include "model/remote_stages.h"

#include "base/error.h"

#include <algorithm>

namespace glimt {

void RemoteStages::send(const StageStates& states) {
  group().send(1, stage_tag(StageTag::states, sent_++), to_message(states));
}

StageStates RemoteStages::receive() {
  return stage_states(expect(plan_.ranks() - 1, stage_tag(StageTag::states, received_++)));
}

void RemoteStages::observe(const Observer& observe) {
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const Bytes bytes = expect(rank, stage_tag(StageTag::observed, observed_));
    for (MessageReader message(bytes); !message.at_end();) {
      const std::string name = message.text();
      observe(name, get_array(message));
    }
  }
  ++observed_;
}

template <typename Byte>
std::span<Byte> RemoteStages::part_of(std::span<Byte> block, int rank) const {
  const std::size_t layer = block.size() / static_cast<std::size_t>(layers());
  return block.subspan(layer * static_cast<std::size_t>(plan_.first(rank) - plan_.count(0)),
                       layer * static_cast<std::size_t>(plan_.count(rank)));
}

void RemoteStages::read_block(std::uint64_t pool, int block, std::span<std::byte> bytes) {
  plan().put(StageOp::read_block).put(pool).put(block);
  flush();
  for (int rank = 1; rank < plan_.ranks(); ++rank) {
    const Bytes rows = expect(rank, stage_tag(StageTag::block, blocks_));
    const std::span<std::byte> part = part_of(bytes, rank);
    if (rows.size() != part.size()) {
      fail(ErrorKind::internal, group().name(rank), "a block of {} bytes, not {}", rows.size(), part.size());
    }
    std::copy(rows.begin(), rows.end(), part.begin());
  }
  ++blocks_;
}

void RemoteStages::write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) {
  write_parts(pool, block, [&](int rank) { return part_of(bytes, rank); });
}

}  // namespace glimt
