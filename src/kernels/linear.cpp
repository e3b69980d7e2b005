#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

namespace glimt::kernels {

std::vector<mx::array> linear(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights) {
  return device.ops().linear(device, x, weights);
}

mx::array linear(const Device& device, const mx::array& x, const WeightPtr& w) {
  return device.ops().linear(device, x, {w})[0];
}

namespace plain {

mx::array matmul(const mx::array& x, const Weight& w) {
  if (!w.quantization) return mx::matmul(x, mx::swapaxes(w.values, -1, -2));
  const Quantization& q = *w.quantization;
  const mx::array y = mx::quantized_matmul(x, w.values, *w.scales, w.biases, true, q.group_size, q.bits, q.mode_name());
  // One factor, or one a row of w: it may as well multiply the result.
  return w.global_scale ? mx::astype(mx::multiply(y, *w.global_scale), y.dtype()) : y;
}

std::vector<mx::array> linear(const Device&, const mx::array& x, const std::vector<WeightPtr>& weights) {
  std::vector<mx::array> results;
  results.reserve(weights.size());
  for (const WeightPtr& w : weights) results.push_back(matmul(x, *w));
  return results;
}

}  // namespace plain
}  // namespace glimt::kernels
