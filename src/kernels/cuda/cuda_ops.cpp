#include "kernels/cuda/cuda_ops.h"

#include "kernels/cuda/images.h"
#include "kernels/cuda/shapes.h"
#include "kernels/plain.h"
#include "kernels/plain_ops.h"
#include "kernels/plain_state.h"

#include <mlx/backend/cuda/cuda.h>

#include <algorithm>
#include <string>
#include <tuple>

namespace glimt::kernels {
namespace {

std::string device_architecture() {
  const auto& info = mx::gpu::device_info();
  const auto found = info.find("architecture");
  const auto* name = found == info.end() ? nullptr : std::get_if<std::string>(&found->second);
  return name == nullptr ? std::string() : *name;
}

// Of the default device; asked for once.
const std::string& architecture() {
  static const std::string known = mx::cu::is_available() ? device_architecture() : std::string();
  return known;
}

}  // namespace

bool has_cuda_kernels() { return !cuda::image("experts_down", architecture()).empty(); }

const Ops& cuda_ops() {
  static const Ops table = [] {
    Ops ops = plain_ops();
    ops.name = "cuda";
    ops.experts = cuda::experts;
    ops.route = cuda::route;
    ops.add_rms_norm = cuda::add_rms_norm;
    ops.mla = cuda::mla;
    return ops;
  }();
  return table;
}

namespace cuda {
namespace {

constexpr int kGateUpWarps = 8, kDownWarps = 8, kNormWarps = 8, kStoreWarps = 4;  // of a block

using Threads = std::tuple<int, int, int>;

// MLX counts a grid in threads.
struct Launch {
  Threads grid, block;
};

std::vector<mx::array> run(const std::string& kernel, const std::vector<mx::array>& inputs,
                           const std::vector<mx::Shape>& shapes, const std::vector<mx::Dtype>& dtypes,
                           const std::vector<mx::fast::ScalarArg>& scalars, const Launch& launch) {
  return mx::fast::precompiled_cuda_kernel(kernel, image(kernel, architecture()), inputs, shapes, dtypes, scalars,
                                           launch.grid, launch.block, 0, std::nullopt, true);
}

// ---- experts

bool fits(const Weight& w) {
  const Quantization affine4{QuantMode::affine, 4, 64};
  return w.quantization == affine4 && !w.global_scale && w.columns % 64 == 0 && w.scales->dtype() == mx::bfloat16 &&
         w.biases->dtype() == mx::bfloat16;
}

bool fits(const std::vector<Weight>& stack) { return stack.size() == 1 && stack[0].count > 0 && fits(stack[0]); }

bool fits(const std::optional<Weight>& joined) { return joined && fits(*joined); }

int picks(const mx::array& indices, const ExpertWeights& w) { return indices.shape(1) + (w.shared ? 1 : 0); }

void append(std::vector<mx::array>& arrays, const Weight& w) {
  for (const mx::array& array : {w.values, *w.scales, *w.biases}) arrays.push_back(array);
}

// A warp a row.
Launch rows_of(int rows, int y, int z, int warps) {
  return {{(rows + warps - 1) / warps * 32, y * warps, z}, {32, warps, 1}};
}

// ---- mla

// MLX does not know that the kernel writes the cache, so it orders behind it only what reads the turned queries: the
// products of a decode step with keys that are a view of the cache, but neither a copy of scattered blocks nor the
// projected keys of a prompt.
bool is_ordered(const plain::StepArrays& step) {
  const auto is_view = [](const plain::KeyRows& keys) { return !keys.blocks; };
  return step.rows == static_cast<int>(step.step->size()) && std::all_of(step.keys.begin(), step.keys.end(), is_view);
}

bool fits_store(const mx::array& q, const mx::array& kv, const MlaWeights& w, const ArrayRows& rows) {
  return q.dtype() == mx::bfloat16 && kv.dtype() == mx::bfloat16 && w.norm.dtype() == mx::bfloat16 &&
         rows.type() == RowType::bf16 && w.dense;
}

// -> the turned queries [N, H, 1, nope + rope].
mx::array store(const mx::array& q, const mx::array& kv, const MlaWeights& w, const plain::StepArrays& step,
                const mx::array& turns, const ArrayRows& rows) {
  const MlaSizes n(w);
  return run("mla_store", {q, kv, w.norm, turns, step.cache_rows, rows.array()},
             {{step.rows, n.heads, 1, n.nope + n.rope}}, {mx::bfloat16},
             {n.heads, n.nope, n.rope, n.latent, w.rotary.interleaved, w.norm_eps, w.rotary.magnitude},
             {{(n.heads + 1) * 32, step.rows * kStoreWarps, 1}, {32, kStoreWarps, 1}})[0];
}

}  // namespace

bool fits_experts(const mx::array& x, const mx::array& indices, const ExpertWeights& w) {
  const bool shared_fits =
      !w.shared || (fits(w.shared->gate_up) && fits(w.shared->down) && w.shared->down.columns == w.down[0].columns);
  if (!fits(w.gate_up) || !fits(w.down) || !shared_fits) return false;
  return x.dtype() == mx::bfloat16 && indices.shape(0) <= kMostTokens &&
         chunked_floats(w.gate_up->columns) <= kMostGateUpFloats &&
         picks(indices, w) * chunked_floats(w.down[0].columns) <= kMostDownFloats;
}

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& weights) {
  const ExpertWeights& w = *weights;
  if (!fits_experts(x, indices, w)) return plain::experts(device, x, indices, scores, weights);
  const Weight& down = w.down[0];
  const int tokens = indices.shape(0), top_k = indices.shape(1), all = picks(indices, w);
  const int hidden = down.rows, intermediate = down.columns;

  std::vector<mx::array> inputs{x, indices};
  append(inputs, *w.gate_up);
  append(inputs, w.shared ? *w.shared->gate_up : *w.gate_up);  // without a shared expert nobody reads it
  const mx::array y =
      run("experts_gate_up", inputs, {{tokens, all, intermediate}}, {mx::float32}, {hidden, intermediate, top_k},
          rows_of((intermediate + kGateUpRows - 1) / kGateUpRows, all, tokens, kGateUpWarps))[0];

  inputs = {y, indices, scores};
  append(inputs, down);
  append(inputs, w.shared ? w.shared->down : down);
  return run("experts_down", inputs, {{tokens, hidden}}, {mx::bfloat16}, {intermediate, hidden, top_k, all},
             rows_of(hidden, 1, tokens, kDownWarps))[0];
}

Routing route(const Device& device, const mx::array& logits, const RouterBias& bias, const RouterOptions& options) {
  const int tokens = logits.shape(0), experts = logits.shape(1), k = options.top_k;
  if (options.groups > 1 || experts > kMostExperts) return plain::route(device, logits, bias, options);
  const std::vector<mx::array> result =
      run("route", {logits, bias.value}, {{tokens, k}, {tokens, k}}, {mx::uint32, mx::float32},
          {experts, k, options.normalize, options.scale}, {{tokens * 32, 1, 1}, {32, 1, 1}});
  return {result[0], result[1]};
}

SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps) {
  const auto is_ours = [](const mx::array& array) { return array.dtype() == mx::bfloat16; };
  const int columns = x.shape(-1), rows = static_cast<int>(x.size()) / std::max(1, columns);
  const bool fits = columns % 8 == 0 && columns <= 8 * 32 * kNormWarps * kNormLoads;
  if (!fits || !is_ours(x) || !is_ours(y) || !is_ours(weight)) return plain::add_rms_norm(device, x, y, weight, eps);
  const std::vector<mx::array> result =
      run("add_rms_norm", {x, y, weight}, {x.shape(), x.shape()}, {mx::bfloat16, mx::bfloat16}, {columns, eps},
          {{rows * 32, kNormWarps, 1}, {32, kNormWarps, 1}});
  return {result[0], result[1]};
}

mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& paged,
              const StepPtr& step) {
  auto& rows = as_kind<ArrayRows>(paged);
  plain::State& state = device.plain_state();
  const plain::StepArrays& arrays = state.step(step);
  if (!fits_store(q, kv, *w, rows) || !is_ordered(arrays)) {
    return plain::mla(device, q, kv, w, paged, step);
  }
  const mx::array turned = store(q, kv, *w, arrays, state.turns(step, w->dense->key_periods), rows);
  return plain::attend(device, turned, *w, *w->dense, rows, step);
}

}  // namespace cuda
}  // namespace glimt::kernels
