#include "nn/layers.h"

namespace glimt {

RmsNorm::RmsNorm(kernels::Device device, const mx::array& weight, float eps)
    : device_(std::move(device)), weight_(mx::contiguous(mx::astype(weight, mx::float32))), eps_(eps) {
  mx::eval(weight_);
}

}  // namespace glimt
