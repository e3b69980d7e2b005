// Cache rows in an MLX array, for the plain definitions.
#pragma once

#include "kernels/paged_rows.h"
#include "kernels/plain_state.h"

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

  const mx::array& array() const { return *array_; }  // [blocks · kBlockRows, width], f32 or bf16

  // The step's new rows, whose columns are those of `parts` side by side, each [N, ..]. A node of the graph.
  void store(const plain::StepArrays& step, const std::vector<mx::array>& parts);

  // The rows that a sequence sees, [count, width]: a view where they lie one behind the other.
  mx::array keys(const plain::KeyRows& rows) const;

 private:
  void update(int row, int column, const mx::array& part);

  std::optional<mx::array> array_;
};

}  // namespace glimt::kernels
