// The latent cache as the kernels see it: one layer's rows in blocks, and which of them a step reads and writes.
//
// A sequence's position p lies in row p % kBlockRows of the block blocks[p / kBlockRows]; blocks may lie anywhere and
// may be read by several sequences.
#pragma once

#include "kernels/row_type.h"

#include <mlx/mlx.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace glimt::kernels {

namespace mx = mlx::core;

constexpr int kBlockRows = 128;

// Not owned: see cache/latent_pool.h. Either memory (our kernels) or an array (plain MLX).
struct PagedRows {
  RowType type = RowType::bf16;
  int width = 0;                   // latent + rope
  std::byte* memory = nullptr;     // [blocks, kBlockRows] rows of row_bytes
  std::optional<mx::array> array;  // [blocks, kBlockRows, width], f32 or bf16
};

// What a step does with one sequence: `length` new rows at `position`…, each of which sees the rows from first_key up to
// itself. REQUIRES blocks for all of them.
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
