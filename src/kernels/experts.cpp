#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

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

// From this many picks on, sorting the rows by expert pays: each expert's weights are then read once.
constexpr int kSortFrom = 64;

mx::array silu_multiply(const mx::array& gate, const mx::array& up) {
  return mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), up);
}

// x [n, 1, columns] times the matrix that indices [n] (or [n, k]) picks for each row.
mx::array gather_matmul(const mx::array& x, const Weight& w, const mx::array& indices, bool sorted) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::gather_qmm(x, w.values, *w.scales, w.biases, std::nullopt, indices, true, q.group_size, q.bits,
                          q.mode_name(), std::nullopt, sorted);
  }
  mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  if (values.dtype() != x.dtype()) values = mx::astype(values, x.dtype());  // MLX's CPU gather_mm has float32 only
  return mx::gather_mm(x, mx::swapaxes(values, -1, -2), std::nullopt, indices, sorted);
}

}  // namespace

mx::array swiglu(const Device&, const mx::array& x, const SwiGluPtr& w) {
  return matmul(silu_multiply(matmul(x, w->gate), matmul(x, w->up)), w->down);
}

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& weights) {
  const ExpertWeights& w = *weights;
  const int tokens = indices.shape(0), k = indices.shape(1);
  const bool sort = tokens * k >= kSortFrom;
  mx::array rows = mx::expand_dims(x, {-2, -3});  // [T, 1, 1, hidden]
  mx::array picks = indices;
  mx::array order = mx::array(0);
  if (sort) {
    picks = mx::flatten(indices);
    order = mx::argsort(picks);
    rows = mx::expand_dims(mx::take(x, mx::floor_divide(order, mx::array(k, order.dtype())), 0),
                           -2);  // [T * k, 1, hidden]
    picks = mx::take(picks, order);
  }
  const mx::array gate = gather_matmul(rows, stacked(w.gate), picks, sort);
  const mx::array up = gather_matmul(rows, stacked(w.up), picks, sort);
  mx::array y = gather_matmul(silu_multiply(gate, up), stacked(w.down), picks, sort);
  if (sort) y = mx::take(y, mx::argsort(order), 0);
  y = mx::reshape(y, {tokens, k, -1});
  y = mx::astype(mx::sum(mx::multiply(y, mx::expand_dims(scores, -1)), 1), x.dtype());
  return w.shared ? mx::add(y, plain::swiglu(device, x, SwiGluPtr(weights, &*w.shared))) : y;
}

}  // namespace plain
}  // namespace glimt::kernels
