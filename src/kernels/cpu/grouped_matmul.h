// Several matrix products at once: the heads of an attention layer, the experts of a token batch, or one matrix alone.
#pragma once

#include "kernels/cpu/matrix.h"

#include <span>
#include <vector>

namespace glimt::cpu {

// y[i] = x[i] · wᵀ for each i: x[i] points to w.columns floats, y[i] to w.rows floats. Not owned.
struct Product {
  MatrixView w;
  std::vector<const float*> x;
  std::vector<float*> y;
};

// All products on `threads()` threads. A row's result does not depend on the other rows, the products or the threads.
void multiply(std::span<const Product> products);

// How many threads the kernels use: all that the process may run on by default, or what set_threads gave.
int threads();
void set_threads(int count);  // >= 1; call before the first kernel runs

}  // namespace glimt::cpu
