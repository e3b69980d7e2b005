#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

namespace glimt::kernels {

mx::array rms_norm(const Device& device, const mx::array& x, const mx::array& weight, float eps) {
  return device.ops().rms_norm(device, x, weight, eps);
}

SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps) {
  return device.ops().add_rms_norm(device, x, y, weight, eps);
}

namespace plain {

mx::array rms_norm(const Device&, const mx::array& x, const mx::array& weight, float eps) {
  return mx::fast::rms_norm(x, mx::astype(weight, x.dtype()), eps);
}

SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps) {
  const mx::array sum = mx::add(x, y);
  return {sum, plain::rms_norm(device, sum, weight, eps)};
}

}  // namespace plain
}  // namespace glimt::kernels
