#include "model/rope.h"

namespace glimt {

namespace mx = mlx::core;

kernels::Rotary make_rotary(int dims, double theta, bool interleaved, const std::optional<YarnScaling>& yarn,
                            bool round_frequencies) {
  kernels::Rotary rotary{rotary_frequencies(dims, theta, yarn), interleaved};
  if (round_frequencies) {
    for (float& frequency : rotary.frequencies) {
      frequency = mx::astype(mx::astype(mx::array(frequency), mx::bfloat16), mx::float32).item<float>();
    }
  }
  if (yarn) rotary.magnitude = static_cast<float>(yarn_magnitude(*yarn));
  return rotary;
}

}  // namespace glimt
