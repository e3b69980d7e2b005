#include "nn/layers.h"

namespace glimt {

RmsNorm::RmsNorm(kernels::Device device, const mx::array& weight, float eps)
    : device_(std::move(device)), weight_(mx::contiguous(mx::astype(weight, device_.activations()))), eps_(eps) {
  mx::eval(weight_);
}

}  // namespace glimt
