// For tests of what our CPU kernels promise and plain MLX operations (GLIMT_BACKEND=mlx, a GPU) do not.
#pragma once

#include "kernels/ops.h"

namespace glimt {

// Whether models compute with our CPU kernels in this process.
inline bool has_our_kernels() { return &kernels::Device::choose(false).ops() == &kernels::cpu_ops(); }

}  // namespace glimt
