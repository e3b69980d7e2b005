// The menu: every operation of the model that is worth a kernel of its own. Each has a definition in plain MLX
// operations, which serves GPUs and is the oracle of the tests, and an MLX Primitive on our CPU kernels.
//
// Activations are float32 on the CPU; on a GPU they have the dtype that the caller gives them. All functions build graph
// nodes and return at once; weights must be evaluated (mapped or materialized) before they are used here and are kept
// alive by the nodes. One thread builds and evaluates (MLX binds streams to threads).
#pragma once

#include "kernels/weight.h"

#include <mlx/mlx.h>

#include <chrono>
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

// Seconds that our CPU kernels have run so far in this process; the rest of a step is graph building, MLX's own
// operations and waiting.
double kernel_seconds();
void add_kernel_time(std::chrono::steady_clock::duration time);

// x [.., columns] · wᵀ -> [.., rows]. REQUIRES a single matrix.
mx::array linear(const mx::array& x, const std::shared_ptr<const Weight>& w);

// x [B, H, L, columns] · w[h]ᵀ -> [B, H, L, rows]: one matrix a head. REQUIRES w.count == H.
mx::array head_linear(const mx::array& x, const std::shared_ptr<const Weight>& w);

// Like head_linear with w[h] itself instead of its transpose: x [B, 1 or H, L, rows] -> [B, H, L, columns].
mx::array head_linear_transposed(const mx::array& x, const std::shared_ptr<const Weight>& w);

// Rows [.., columns] of the table that ids [..] (int32, < rows) name, as `dtype`.
mx::array embedding(const mx::array& ids, const std::shared_ptr<const Weight>& table, mx::Dtype dtype);

// down(silu(gate x) · up x)
struct SwiGluWeights {
  Weight gate;  // [intermediate, hidden]
  Weight up;    // the same
  Weight down;  // [hidden, intermediate]
};

// x [.., hidden] -> the same shape.
mx::array swiglu(const mx::array& x, const std::shared_ptr<const SwiGluWeights>& w);

// The mixture of experts: for each token, the sum over its picks j of scores[j] · swiglu of that expert, plus the shared
// expert's swiglu where there is one. Each projection is one stack of E matrices or E single ones.
struct ExpertWeights {
  std::vector<Weight> gate;
  std::vector<Weight> up;
  std::vector<Weight> down;
  std::optional<SwiGluWeights> shared;
};

// x [T, hidden], indices [T, k] uint32 (< E), scores [T, k] float32 -> [T, hidden].
mx::array experts(const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const std::shared_ptr<const ExpertWeights>& w);

// Which experts a token goes to. Sigmoid scores plus `bias` decide; of `groups` groups of experts only the
// `kept_groups` whose two best choices sum highest take part; the weights are the scores without the bias, divided by
// (their sum + 1e-20) if `normalize`, times `scale` (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.1.2).
struct RouterOptions {
  int top_k = 1;
  int groups = 1;
  int kept_groups = 1;
  bool normalize = true;
  float scale = 1;
};

struct Routing {
  mx::array indices;  // [T, k] uint32, best first; equal choices by lower index
  mx::array scores;   // [T, k] float32
};

// logits [T, E] float32, bias [E] float32.
Routing route(const mx::array& logits, const mx::array& bias, const RouterOptions& options);

// Multi-head latent attention in its absorbed form: all heads share the keys, and a key's first columns are its value.
// q_latent [B, H, L, latent], q_pe [B, H, L, rope], rows [B, T, latent + rope] (float32 or bfloat16; read where they lie,
// so a slice of a larger buffer costs nothing) -> softmax(scale · [q_latent | q_pe] · rowsᵀ) · rows[.., :latent] as
// [B, H, L, latent]. Query i is at position T - L + i and sees the keys up to itself. REQUIRES T >= L and rows whose last
// axis is contiguous.
mx::array mla_attention(const mx::array& q_latent, const mx::array& q_pe, const mx::array& rows, float scale);

}  // namespace glimt::kernels
