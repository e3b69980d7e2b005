#include "kernels/rotary.h"

namespace glimt::kernels {

mx::array rotate(const mx::array& x, const Rotary& rotary, int offset) {
  const mx::array scaled = rotary.magnitude == 1.0f ? x : mx::multiply(x, mx::array(rotary.magnitude, x.dtype()));
  const mx::array periods =
      mx::reciprocal(mx::array(rotary.frequencies.begin(), {static_cast<int>(rotary.frequencies.size())}));
  return mx::fast::rope(scaled, rotary.dims(), rotary.interleaved, std::nullopt, 1.0f, offset, periods);
}

}  // namespace glimt::kernels
