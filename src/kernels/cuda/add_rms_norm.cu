// The sum of two arrays and its norm in one pass: sum = x + y, norm = sum / sqrt(mean(sum²) + eps) · weight
// (add_rms_norm in kernels.h). A block computes a row.
#include "kernels/cuda/gpu.h"

// x, y, sum, norm [rows, columns], weight [columns]. grid (rows), block (32, warps), shared memory warps + columns
// floats.
extern "C" __global__ void add_rms_norm(const bf16* __restrict__ x, const bf16* __restrict__ y,
                                        const float* __restrict__ weight, bf16* __restrict__ sum,
                                        bf16* __restrict__ norm, int columns, float eps) {
  SHARED_FLOATS(squares);
  const int warps = blockDim.y, thread = threadIdx.y * 32 + threadIdx.x, threads = 32 * warps;
  float* row = squares + warps;
  const long long at = (long long)blockIdx.x * columns;
  float square = 0;
  for (int i = thread; i < columns; i += threads) {
    const bf16 rounded = to_bf16(to_float(x[at + i]) + to_float(y[at + i]));
    sum[at + i] = rounded;
    row[i] = to_float(rounded);
    square += row[i] * row[i];
  }
  square = warp_sum(square);
  if (threadIdx.x == 0) squares[threadIdx.y] = square;
  sync();
  float total = 0;
  for (int w = 0; w < warps; ++w) total += squares[w];
  const float factor = 1 / sqrtf(total / static_cast<float>(columns) + eps);
  for (int i = thread; i < columns; i += threads) norm[at + i] = to_bf16(row[i] * factor * weight[i]);
}
