// The inner loops that depend on the instruction set, behind one table of function pointers chosen at start.
// Every entry computes the same thing on every ISA up to the rounding of float32 (fused or not, order of lanes);
// on one ISA a result does not depend on the tile, block or thread that computed it.
#pragma once

#include "kernels/cpu/matrix.h"

#include <vector>

namespace glimt::cpu {

struct Table {
  const char* isa;

  // Row `row` of `w` as float32 into out[0, columns).
  void (*decode_row)(const MatrixView& w, int row, float* out);

  // y[m][n] = dot(x[m], w + n * stride) over `k` columns, for m < rows_x and n < rows_w. One accumulator a result, its
  // lanes along k, summed as a tree at the end.
  void (*dot)(const float* const* x, int rows_x, const float* w, std::size_t stride, int rows_w, int k, float* const* y);

  // gate[i] = silu(gate[i]) * up[i]
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
};

// The best table for this CPU, or the one that the environment variable GLIMT_CPU_ISA names (scalar, avx2, avx512,
// neon). Throws Error(unsupported) if the named one is unknown or this CPU lacks it. Chosen once; thread-safe.
const Table& table();

// Every table this CPU can run, scalar first. For tests.
std::vector<const Table*> supported_tables();

}  // namespace glimt::cpu
