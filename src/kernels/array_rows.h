// Cache rows in an MLX array, for the plain definitions.
#pragma once

#include "kernels/paged_rows.h"

#include <mlx/mlx.h>

namespace glimt::kernels {

namespace mx = mlx::core;

class ArrayRows : public PagedRows {
 public:
  // Throws unsupported for q8.
  ArrayRows(RowType type, int width, int blocks);

  void copy_rows(int from, int to, int count) override;
  void read_block(int block, std::span<std::byte> bytes) const override;
  void write_block(int block, std::span<const std::byte> bytes) override;

  const mx::array& array() const { return array_; }  // [blocks, kBlockRows, width], f32 or bf16

  // Rows `row` … of the block become `part` [1, count, width]; the update is a node of the graph.
  void update(int block, int row, const mx::array& part);

 private:
  mx::array array_;
};

}  // namespace glimt::kernels
