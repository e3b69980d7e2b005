// Rotary position embedding of a few columns (https://arxiv.org/abs/2104.09864), as data: model/rope.h computes it.
#pragma once

#include <mlx/mlx.h>

#include <vector>

namespace glimt::kernels {

namespace mx = mlx::core;

struct Rotary {
  std::vector<float> frequencies;  // a pair of columns each: the angle is position · frequency
  bool interleaved = true;         // pairs (2i, 2i + 1), else (i, i + dims / 2)
  float magnitude = 1.0f;          // of the result (YaRN)

  int dims() const { return 2 * static_cast<int>(frequencies.size()); }
};

// One period a pair of columns, as MLX takes them, float32 and evaluated. `unturned` more pairs in front have an
// infinite period: they stay as they are.
mx::array periods(const Rotary& rotary, int unturned = 0);

// x [N, heads, 1, dims], whose rows are at `positions` [N] (int32), without the magnitude, in plain MLX
// operations.
mx::array rotate(const mx::array& x, const Rotary& rotary, const mx::array& periods, const mx::array& positions);

}  // namespace glimt::kernels
