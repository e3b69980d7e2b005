#include "nn/linear.h"

namespace glimt {

mx::array Linear::operator()(const mx::array& x) const {
  const mx::array y = kernels::linear(x, weight_);
  return bias_ ? mx::add(y, mx::astype(*bias_, y.dtype())) : y;
}

}  // namespace glimt
