#include "kernels/cuda/cuda_ops.h"

#include "kernels/cuda/images.h"
#include "kernels/plain.h"
#include "kernels/plain_ops.h"

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
    ops.joins_gate_and_up = false;  // its kernel reads a row of each
    ops.experts = cuda::experts;
    return ops;
  }();
  return table;
}

namespace cuda {
namespace {

constexpr int kWarps = 4;  // of a block; each computes one row
constexpr std::size_t kMostSharedBytes = std::size_t{96} << 10;

// Bytes of shared memory for `columns` activations: chunked_floats of dot4.h.
int shared_bytes(int columns) { return columns / 32 * (36 + 1) * static_cast<int>(sizeof(float)); }

bool fits(const Weight& w) {
  const Quantization affine4{QuantMode::affine, 4, 64};
  return w.quantization == affine4 && !w.global_scale && w.columns % 64 == 0 && w.scales->dtype() == mx::bfloat16 &&
         w.biases->dtype() == mx::bfloat16;
}

bool fits(const std::vector<Weight>& stack) { return stack.size() == 1 && stack[0].count > 0 && fits(stack[0]); }

int picks(const mx::array& indices, const ExpertWeights& w) { return indices.shape(1) + (w.shared ? 1 : 0); }

void append(std::vector<mx::array>& arrays, const Weight& w) {
  for (const mx::array& array : {w.values, *w.scales, *w.biases}) arrays.push_back(array);
}

// Blocks of kWarps rows each; MLX counts a grid in threads.
std::tuple<int, int, int> grid(int rows, int y, int z) { return {(rows + kWarps - 1) / kWarps * 32, y * kWarps, z}; }

mx::array run(const std::string& kernel, const std::vector<mx::array>& inputs, const mx::Shape& shape, mx::Dtype dtype,
              const std::vector<int>& scalars, std::tuple<int, int, int> threads, int shared) {
  return mx::fast::precompiled_cuda_kernel(kernel, image(kernel, architecture()), inputs, {shape}, {dtype},
                                           {scalars.begin(), scalars.end()}, threads, {32, kWarps, 1}, shared,
                                           std::nullopt, true)[0];
}

}  // namespace

bool fits_experts(const mx::array& x, const mx::array& indices, const ExpertWeights& w) {
  const bool shared_fits = !w.shared || (fits(w.shared->gate) && fits(w.shared->up) && fits(w.shared->down) &&
                                         w.shared->gate.rows == w.gate[0].rows);
  if (!fits(w.gate) || !fits(w.up) || !fits(w.down) || !shared_fits) return false;
  const int most = std::max(shared_bytes(w.gate[0].columns), picks(indices, w) * shared_bytes(w.down[0].columns));
  return x.dtype() == mx::bfloat16 && indices.shape(0) <= kMostTokens &&
         static_cast<std::size_t>(most) <= kMostSharedBytes;
}

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& weights) {
  const ExpertWeights& w = *weights;
  if (!fits_experts(x, indices, w)) return plain::experts(device, x, indices, scores, weights);
  const Weight &gate = w.gate[0], &up = w.up[0], &down = w.down[0];
  const int tokens = indices.shape(0), top_k = indices.shape(1), all = picks(indices, w);

  std::vector<mx::array> inputs{x, indices};
  append(inputs, gate);
  append(inputs, up);
  append(inputs, w.shared ? w.shared->gate : gate);  // without a shared expert nobody reads them
  append(inputs, w.shared ? w.shared->up : up);
  const mx::array y = run("experts_gate_up", inputs, {tokens, all, gate.rows}, mx::float32,
                          {gate.columns, gate.rows, top_k}, grid(gate.rows, all, tokens), shared_bytes(gate.columns));

  inputs = {y, indices, scores};
  append(inputs, down);
  append(inputs, w.shared ? w.shared->down : down);
  return run("experts_down", inputs, {tokens, down.rows}, mx::bfloat16, {down.columns, down.rows, top_k, all},
             grid(down.rows, 1, tokens), all * shared_bytes(down.columns));
}

}  // namespace cuda
}  // namespace glimt::kernels
