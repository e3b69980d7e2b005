// Root mean square normalization of one row.
#pragma once

#include <cstddef>

namespace glimt::cpu {

// y[i] = x[i] / sqrt(mean(x²) + eps) · weight[i]; y may be x.
void rms_norm(const float* x, const float* weight, std::size_t columns, float eps, float* y);

}  // namespace glimt::cpu
