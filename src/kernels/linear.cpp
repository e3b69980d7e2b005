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

mx::array matmul(const mx::array& x, const Weight& w, bool transpose) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::quantized_matmul(x, w.values, *w.scales, w.biases, transpose, q.group_size, q.bits, q.mode_name());
  }
  const mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  return mx::matmul(x, transpose ? mx::swapaxes(values, -1, -2) : values);
}

std::vector<mx::array> linear(const Device&, const mx::array& x, const std::vector<WeightPtr>& weights) {
  std::vector<mx::array> results;
  results.reserve(weights.size());
  for (const WeightPtr& w : weights) results.push_back(matmul(x, *w));
  return results;
}

}  // namespace plain
}  // namespace glimt::kernels
