#include "kernels/cpu/norm.h"

#include <cmath>

namespace glimt::cpu {

void rms_norm(const float* x, const float* weight, std::size_t columns, float eps, float* y) {
  // Partial sums side by side: a compiler may not reorder one sum, but may keep these in vector registers.
  constexpr std::size_t kLanes = 16;
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= columns; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += x[i + lane] * x[i + lane];
  }
  for (std::size_t lane = 0; i < columns; ++i, ++lane) sums[lane] += x[i] * x[i];
  float sum = 0;
  for (const float partial : sums) sum += partial;
  const float factor = 1.0f / std::sqrt(sum / static_cast<float>(columns) + eps);
  for (std::size_t j = 0; j < columns; ++j) y[j] = x[j] * factor * weight[j];
}

}  // namespace glimt::cpu
