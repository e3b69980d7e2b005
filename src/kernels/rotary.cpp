#include "kernels/rotary.h"

#include <limits>

namespace glimt::kernels {

mx::array periods(const Rotary& rotary, int unturned) {
  std::vector<float> values(static_cast<std::size_t>(unturned), std::numeric_limits<float>::infinity());
  for (const float frequency : rotary.frequencies) values.push_back(1.0f / frequency);
  return mx::array(values.begin(), {static_cast<int>(values.size())});
}

mx::array rotate(const mx::array& x, const Rotary& rotary, const mx::array& periods, const mx::array& positions) {
  return mx::fast::rope(x, x.shape(-1), rotary.interleaved, std::nullopt, 1.0f, positions, periods);
}

}  // namespace glimt::kernels
