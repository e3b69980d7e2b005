#include "model/remote_shares.h"

namespace glimt {

void RemoteShares::send(const mx::array& states) {
  const Bytes message = to_message({states, {}});
  for (int rank = 1; rank < group().size(); ++rank) {
    group().send(rank, stage_tag(StageTag::states, sent_), message);
  }
  ++sent_;
}

std::vector<double> RemoteShares::seconds() {
  std::vector<double> seconds;
  for (int rank = 1; rank < group().size(); ++rank) {
    const Bytes message = expect(rank, stage_tag(StageTag::seconds, timed_));
    seconds.push_back(MessageReader(message).get<double>());
  }
  ++timed_;
  return seconds;
}

void RemoteShares::write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) {
  write_parts(pool, block, [&](int) { return bytes; });
}

}  // namespace glimt
