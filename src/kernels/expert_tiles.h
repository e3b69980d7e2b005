// The picks of many tokens in tiles of one expert each, so that a product with quantized matrices computes whole tiles:
// MLX's own takes a tile of 16 rows for a single pick. Shapes depend on the number of picks alone, so nothing waits for
// the router; the last tile of each expert, and tiles behind the last one, hold rows that nobody reads.
#pragma once

#include "kernels/plain_state.h"

#include <mlx/mlx.h>

namespace glimt::kernels::plain {

namespace mx = mlx::core;

struct ExpertTiles {
  // indices [T, k] uint32 (< experts).
  ExpertTiles(State& state, const mx::array& indices, int experts);

  // Whether so many picks are worth it.
  static bool pay(int picks);

  int height;              // rows of a tile
  int count;               // tiles
  mx::array expert;        // [count] uint32, of each tile
  mx::array token_of_row;  // [count · height] int32
  mx::array row_of_pick;   // [T · k] int32
};

}  // namespace glimt::kernels::plain
