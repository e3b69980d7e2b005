// The menu: every operation of the model that is worth a kernel of its own. Each has a definition in plain MLX
// operations, which serves GPUs and is the oracle of the tests, and an MLX Primitive on our CPU kernels.
//
// Activations are float32 on the CPU; on a GPU they have the dtype that the caller gives them. All functions build graph
// nodes and return at once; weights must be evaluated (mapped or materialized) before they are used here and are kept
// alive by the nodes. One thread builds and evaluates (MLX binds streams to threads).
#pragma once

#include "kernels/weight.h"

#include <mlx/mlx.h>

#include <memory>
#include <vector>

namespace glimt::kernels {

enum class Backend {
  cpu,  // our kernels
  mlx,  // plain MLX operations on MLX's default device
};

// Our kernels when MLX's default device is the CPU, plain MLX otherwise. GLIMT_BACKEND=mlx or set_backend overrides.
Backend backend();
void set_backend(Backend backend);

// x [.., columns] · wᵀ -> [.., rows]. REQUIRES a single matrix.
mx::array linear(const mx::array& x, const std::shared_ptr<const Weight>& w);

// x [B, H, L, columns] · w[h]ᵀ -> [B, H, L, rows]: one matrix a head. REQUIRES w.count == H.
mx::array head_linear(const mx::array& x, const std::shared_ptr<const Weight>& w);

// Like head_linear with w[h] itself instead of its transpose: x [B, 1 or H, L, rows] -> [B, H, L, columns].
mx::array head_linear_transposed(const mx::array& x, const std::shared_ptr<const Weight>& w);

// The routed experts' SwiGLU: for each token, the sum over its picks j of scores[j] · down(silu(gate x) · up x).
// Each projection is one stack of E matrices or E single ones.
struct ExpertWeights {
  std::vector<Weight> gate;  // [intermediate, hidden] each
  std::vector<Weight> up;    // the same
  std::vector<Weight> down;  // [hidden, intermediate] each
};

// x [T, hidden], indices [T, k] (int32 or uint32, < E), scores [T, k] float32 -> [T, hidden].
mx::array experts(const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const std::shared_ptr<const ExpertWeights>& w);

// gate -> silu(gate) * up, any shape.
mx::array silu_multiply(const mx::array& gate, const mx::array& up);

}  // namespace glimt::kernels
