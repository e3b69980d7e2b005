#include "nn/layers.h"

namespace glimt {

RmsNorm::RmsNorm(const mx::array& weight, float eps)
    : weight_(mx::contiguous(mx::astype(weight, mx::float32))), eps_(eps) {
  mx::eval(weight_);
}

}  // namespace glimt
