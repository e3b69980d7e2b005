#include "kernels/expert_tiles.h"
#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"
#include "kernels/plain_state.h"

#include <optional>
#include <vector>

namespace glimt::kernels {

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w) {
  return device.ops().experts(device, x, indices, scores, w);
}

mx::array swiglu(const Device& device, const mx::array& x, const SwiGluPtr& w) {
  return device.ops().swiglu(device, x, w);
}

namespace plain {
namespace {

// Which matrix of a stack each part of x [parts, rows, columns] is multiplied with.
struct Pairs {
  std::optional<mx::array> parts;  // [..] uint32; without it, all in order
  mx::array matrices;              // [..] uint32
};

mx::array silu_multiply(const mx::array& gate, const mx::array& up) {
  return mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), up);
}

mx::array silu_multiply(const mx::array& gate_up) {
  const std::vector<mx::array> halves = mx::split(gate_up, 2, -1);
  return silu_multiply(halves[0], halves[1]);
}

// The matrices are copied side by side where many rows share one; MLX's gathering product of sorted float matrices is
// wrong on CUDA, and has float32 only on the CPU.
mx::array gather_floats(const mx::array& x, const mx::array& values, const Pairs& pairs) {
  if (!pairs.parts) return mx::matmul(x, mx::swapaxes(mx::take(values, pairs.matrices, 0), -1, -2));
  const auto product = [&](const mx::array& a, const mx::array& b) {
    return mx::gather_mm(a, mx::swapaxes(b, -1, -2), pairs.parts, pairs.matrices);
  };
  if (!computes_on_cpu()) return product(x, values);
  return mx::astype(product(mx::astype(x, mx::float32), mx::astype(values, mx::float32)), x.dtype());
}

// -> [.., rows, rows of w]
mx::array gather_matmul(const mx::array& x, const Weight& w, const Pairs& pairs) {
  if (!w.quantization) return gather_floats(x, w.values, pairs);
  const Quantization& q = *w.quantization;
  const mx::array y = mx::gather_qmm(x, w.values, *w.scales, w.biases, pairs.parts, pairs.matrices, true, q.group_size,
                                     q.bits, q.mode_name());
  if (!w.global_scale) return y;
  const bool one = w.global_scale->size() == 1;
  const mx::array factors =
      one ? *w.global_scale : mx::expand_dims(mx::take(*w.global_scale, pairs.matrices), std::vector<int>{-1, -2});
  return mx::astype(mx::multiply(y, factors), y.dtype());
}

mx::array inner(const mx::array& x, const ExpertWeights& w, const Pairs& pairs) {
  if (w.gate_up) return silu_multiply(gather_matmul(x, *w.gate_up, pairs));
  return silu_multiply(gather_matmul(x, stacked(w.gate), pairs), gather_matmul(x, stacked(w.up), pairs));
}

// The picked experts' answers [T, k, hidden], each pick by itself.
mx::array picked_alone(State& state, const mx::array& x, const mx::array& indices, const ExpertWeights& w) {
  const PickArrays& picks = state.picks(indices.shape(0), indices.shape(1));
  mx::array y = inner(mx::expand_dims(x, 1), w, {picks.token, indices});  // [T, k, 1, intermediate]
  y = gather_matmul(mx::flatten(y, 0, 1), stacked(w.down), {picks.pick, indices});
  return mx::squeeze(y, 2);
}

// The same with the picks of an expert together, in tiles of one expert each.
mx::array picked_in_tiles(State& state, const mx::array& x, const mx::array& indices, const ExpertWeights& w) {
  const Weight down = stacked(w.down);
  const ExpertTiles tiles(state, indices, down.count);
  const mx::array rows = mx::reshape(mx::take(x, tiles.token_of_row, 0), {tiles.count, tiles.height, x.shape(1)});
  const Pairs pairs{std::nullopt, tiles.expert};
  const mx::array y = gather_matmul(inner(rows, w, pairs), down, pairs);
  const mx::array picked = mx::take(mx::flatten(y, 0, 1), tiles.row_of_pick, 0);
  return mx::reshape(picked, {indices.shape(0), indices.shape(1), -1});
}

}  // namespace

mx::array swiglu(const Device&, const mx::array& x, const SwiGluPtr& w) {
  return matmul(
      w->gate_up ? silu_multiply(matmul(x, *w->gate_up)) : silu_multiply(matmul(x, w->gate), matmul(x, w->up)),
      w->down);
}

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w) {
  State& state = device.plain_state();
  const mx::array y = ExpertTiles::pay(static_cast<int>(indices.size())) ? picked_in_tiles(state, x, indices, *w)
                                                                         : picked_alone(state, x, indices, *w);
  const mx::array weights = mx::expand_dims(mx::astype(scores, x.dtype()), -1);  // [T, k, 1]
  const mx::array sum = mx::sum(mx::multiply(y, weights), 1);
  return w->shared ? mx::add(sum, plain::swiglu(device, x, SwiGluPtr(w, &*w->shared))) : sum;
}

}  // namespace plain
}  // namespace glimt::kernels
