// Cache rows in the host's memory, for our CPU kernels.
#pragma once

#include "kernels/paged_rows.h"

#include <cstddef>
#include <memory>

namespace glimt::kernels {

// Address space is reserved for all blocks; the system gives a block memory when it is first written.
class HostRows : public PagedRows {
 public:
  HostRows(RowType type, int width, int blocks);

  void copy_rows(int from, int to, int count) override;
  void read_block(int block, std::span<std::byte> bytes) const override;
  void write_block(int block, std::span<const std::byte> bytes) override;

  // [blocks, kBlockRows] rows of row_bytes(type, width). Kernels that have not run yet hold the pointer.
  const std::shared_ptr<std::byte>& memory() const { return memory_; }

 private:
  std::byte* block_at(int block) const { return memory_.get() + static_cast<std::size_t>(block) * block_bytes(); }

  std::shared_ptr<std::byte> memory_;
};

}  // namespace glimt::kernels
