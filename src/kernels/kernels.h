// The menu: every operation of the model that is worth a kernel of its own. Each has a definition in plain MLX
// operations, which serves GPUs and is the oracle of the tests, and an MLX Primitive on our CPU kernels; the device
// that a model was loaded for says which of them computes (ops.h).
//
// Activations are float32 on the CPU; on a GPU they have the dtype that the caller gives them. All functions build
// graph nodes and return at once; weights must be evaluated (mapped or materialized) before they are used here and are
// kept alive by the nodes. One thread builds and evaluates (MLX binds streams to threads).
#pragma once

#include "kernels/device.h"
#include "kernels/evaluate.h"
#include "kernels/paged_rows.h"
#include "kernels/rotary.h"
#include "kernels/weight.h"

#include <mlx/mlx.h>

#include <memory>
#include <optional>
#include <vector>

namespace glimt::kernels {

// x [.., columns] · wᵀ -> [.., rows]. REQUIRES a single matrix.
mx::array linear(const Device& device, const mx::array& x, const WeightPtr& w);

// The same for several matrices with as many columns, which are read as one.
std::vector<mx::array> linear(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights);

// Rows [.., columns] of the table that ids [..] (int32, < rows) name, as `dtype`.
mx::array embedding(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype);

// down(silu(gate x) · up x)
struct SwiGluWeights {
  Weight gate;                                   // [intermediate, hidden]
  Weight up;                                     // the same
  Weight down;                                   // [hidden, intermediate]
  std::optional<Weight> gate_up = std::nullopt;  // both as one, where the device reads them as one
};
using SwiGluPtr = std::shared_ptr<const SwiGluWeights>;

// x [.., hidden] -> the same shape.
mx::array swiglu(const Device& device, const mx::array& x, const SwiGluPtr& w);

// The mixture of experts: for each token, the sum over its picks j of scores[j] · swiglu of that expert, plus the
// shared expert's swiglu where there is one. Each projection is one stack of E matrices or E single ones.
struct ExpertWeights {
  std::vector<Weight> gate;
  std::vector<Weight> up;
  std::vector<Weight> down;
  std::optional<SwiGluWeights> shared;
  std::optional<Weight> gate_up = std::nullopt;  // as in SwiGluWeights, one stack
};
using ExpertsPtr = std::shared_ptr<const ExpertWeights>;

// x [T, hidden], indices [T, k] uint32 (< E), scores [T, k] float32 -> [T, hidden].
mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w);

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

// What steers the choice of experts, [E] float32, and its negative.
struct RouterBias {
  RouterBias(const mx::array& values) : value(values), negative(mx::negative(values)) {}  // NOLINT: a kind of array
  mx::array value, negative;
};

// logits [T, E] float32.
Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options);

// x / sqrt(mean(x²) + eps) · weight over the last axis, computed in float32; weight [columns] in the activations' dtype.
mx::array rms_norm(const Device& device, const mx::array& x, const mx::array& weight, float eps);

// The sum of two arrays of one shape, and its rms_norm, in one pass.
struct SumAndNorm {
  mx::array sum;
  mx::array norm;
};
SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps);

// The two halves of kv_b_proj as the plain definitions multiply with them, in the activations' dtype. Queries and keys
// keep their order of columns: what is not projected passes through ones.
struct DenseHeads {
  mx::array queries;        // [heads, nope + rope, latent + rope]: into latent space, times scale (and magnitude)
  mx::array values;         // [heads, latent + rope, v]
  mx::array query_periods;  // of whole queries, whose first columns do not turn, or of their last columns
  mx::array key_periods;
  bool turns_whole_queries;
};

// Multi-head latent attention between its projections (DeepSeek-V2, https://arxiv.org/abs/2405.04434, section 2.1).
struct MlaWeights {
  Weight embed_q;      // [heads, latent, nope]: a head's queries into latent space
  Weight unembed_out;  // [heads, v, latent]: its weighted latents to values
  mx::array norm;      // [latent] in the activations' dtype, kv_a_layernorm
  float norm_eps;
  Rotary rotary;
  float scale;                                     // of the scores
  std::optional<DenseHeads> dense = std::nullopt;  // made once by Ops::prepare; else in each call that needs it
};

using MlaPtr = std::shared_ptr<const MlaWeights>;

// Read off the weights' shapes.
struct MlaSizes {
  explicit MlaSizes(const MlaWeights& w)
      : heads(w.embed_q.count),
        latent(w.embed_q.rows),
        nope(w.embed_q.columns),
        rope(w.rotary.dims()),
        v(w.unembed_out.rows) {}
  int heads, latent, nope, rope, v;
};

// q [N, heads · (nope + rope)] and kv [N, latent + rope], the rows of `step`'s sequences one behind the other. Rows
// [norm(latent) | rotated k_pe] are stored at the sequences' positions, then every query attends to its own sequence ->
// [N, heads · v]. On our kernels a row's result depends neither on the other sequences nor on how they are cut into
// steps. The rows are stored when the result is evaluated: REQUIRES that before a graph with the next step over the
// same blocks is built, and rows that the same device made.
mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
              const StepPtr& step);

}  // namespace glimt::kernels
