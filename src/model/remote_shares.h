// Rank 0's side of a model whose layers are shared: each other rank has a part of every layer, and the rows of all of
// them, since every head reads the whole latent of a position.
#pragma once

#include "model/remote_ranks.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace glimt {

class RemoteShares : public RemoteRanks {
 public:
  // `layers`: of the trunk.
  RemoteShares(std::shared_ptr<Group> group, int layers) : RemoteRanks(std::move(group)), layers_(layers) {}

  // Behind the plan of a step: what the layers begin with, for each of the others.
  void send(const mx::array& states);

  // At the end of a step: how long each of the others has computed.
  std::vector<double> seconds();

  int layers() const override { return 0; }
  int layers_before() const override { return layers_; }
  int mirrored() const override { return layers_; }
  void read_block(std::uint64_t, int, std::span<std::byte>) override {}  // rank 0 has all of them
  void write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) override;

 protected:
  int layers_of(int) const override { return layers_; }

 private:
  int layers_;
  std::uint64_t sent_ = 0, timed_ = 0;
};

}  // namespace glimt
