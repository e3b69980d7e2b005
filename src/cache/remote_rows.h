// The rows of layers that other machines keep, or keep as well: whatever happens to a pool's blocks here happens to theirs, in the same
// order.
#pragma once

#include "kernels/row_type.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace glimt {

// Used by the thread that owns the model. Everything but close() throws internal if a machine is lost.
class RemoteRows {
 public:
  virtual ~RemoteRows() = default;

  virtual int layers() const = 0;         // that others keep alone, one behind the other in the model's order
  virtual int layers_before() const = 0;  // of this machine's layers, those before them

  // Layers whose rows this machine and each of the others have: this machine's first ones.
  virtual int mirrored() const { return 0; }

  // Of blocks with so many bytes a layer, what the machine with the least room holds.
  virtual std::size_t most_blocks(std::size_t layer_bytes) const = 0;

  // A pool begins, by its id, and ends.
  virtual void open(std::uint64_t pool, kernels::RowType type, int blocks) = 0;
  virtual void close(std::uint64_t pool) noexcept = 0;

  virtual void copy_rows(std::uint64_t pool, int from, int to, int count) = 0;

  // A block's rows in all layers that others keep alone, layer by layer; written to those that are mirrored as well.
  // REQUIRES that only one of these two is more than 0.
  virtual void read_block(std::uint64_t pool, int block, std::span<std::byte> bytes) = 0;
  virtual void write_block(std::uint64_t pool, int block, std::span<const std::byte> bytes) = 0;
};

}  // namespace glimt
