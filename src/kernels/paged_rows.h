// The latent cache as the kernels see it: one layer's rows in blocks, and which of them a step reads and writes.
//
// A sequence's position p lies in row p % kBlockRows of the block blocks[p / kBlockRows]; blocks may lie anywhere and
// may be read by several sequences.
#pragma once

#include "base/error.h"
#include "kernels/row_type.h"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace glimt::kernels {

// One layer's rows and how they are stored, which the device decides (Ops::make_rows). Used by the thread that owns the
// model; a kernel that has not run yet keeps the storage alive.
class PagedRows {
 public:
  PagedRows(RowType type, int width) : type_(type), width_(width) {}
  virtual ~PagedRows() = default;
  PagedRows(const PagedRows&) = delete;
  PagedRows& operator=(const PagedRows&) = delete;

  RowType type() const { return type_; }
  int width() const { return width_; }  // latent + rope
  std::size_t block_bytes() const { return kBlockRows * row_bytes(type_, width_); }

  // Rows 0 … count of block `from` into block `to`.
  virtual void copy_rows(int from, int to, int count) = 0;

  // All rows of a block as block_bytes() bytes.
  virtual void read_block(int block, std::span<std::byte> bytes) const = 0;
  virtual void write_block(int block, std::span<const std::byte> bytes) = 0;

 private:
  RowType type_;
  int width_;
};

// The rows as the kind that a device's operations take. Throws internal if another device made them.
template <typename Kind>
Kind& as_kind(PagedRows& rows) {
  auto* own = dynamic_cast<Kind*>(&rows);
  if (own == nullptr) fail(ErrorKind::internal, "mla", "cache rows of another device");
  return *own;
}

// What a step does with one sequence: `length` new rows at `position`…, each of which sees the rows from first_key up
// to itself. REQUIRES blocks for all of them.
struct StepSequence {
  int position = 0;
  int length = 0;
  std::vector<int> blocks;
  int first_key = 0;  // 0 or 1: the MTP layer has no row at position 0
};

// The sequences of a step; their rows lie one behind the other in every activation.
using Step = std::vector<StepSequence>;
using StepPtr = std::shared_ptr<const Step>;

int row_count(const Step& step);

// Blocks that `rows` positions fill, the last one in part.
constexpr int blocks_for(int rows) { return (rows + kBlockRows - 1) / kBlockRows; }

}  // namespace glimt::kernels
