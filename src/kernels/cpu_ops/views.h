// Weights as the CPU kernels see them.
#pragma once

#include "kernels/cpu/matrix.h"
#include "kernels/weight.h"

#include <cstddef>
#include <vector>

namespace glimt::kernels {

// The matrix `index` of the stack (0 for a single one). The arrays must be evaluated and outlive it.
cpu::MatrixView view(const Weight& weight, int index = 0);

// Of `weights`, which is one stack or single matrices: how many there are, and the one of this index.
std::size_t matrix_count(const std::vector<Weight>& weights);
cpu::MatrixView view(const std::vector<Weight>& weights, std::size_t index);

}  // namespace glimt::kernels
