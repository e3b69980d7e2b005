#include "nn/linear.h"

namespace glimt {

mx::array Linear::with_bias(const mx::array& y) const { return bias_ ? mx::add(y, mx::astype(*bias_, y.dtype())) : y; }

mx::array Linear::operator()(const mx::array& x) const { return with_bias(kernels::linear(device_, x, weight_)); }

std::pair<mx::array, mx::array> Linear::both(const Linear& a, const Linear& b, const mx::array& x) {
  const std::vector<mx::array> y = kernels::linear(a.device_, x, {a.weight_, b.weight_});
  return {a.with_bias(y[0]), b.with_bias(y[1])};
}

}  // namespace glimt
