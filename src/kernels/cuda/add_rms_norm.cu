// The sum of two arrays and its norm in one pass: sum = x + y, norm = sum / sqrt(mean(sum²) + eps) · weight
// (add_rms_norm in kernels.h). A block computes a row.
#include "kernels/cuda/dot4.h"

// 8 values of a row as two numbers in each word.
__device__ __forceinline__ uint4 packed(const float* v) {
  unsigned words[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) words[i] = bits_of(to_bf16(v[2 * i])) | bits_of(to_bf16(v[2 * i + 1])) << 16;
  return {words[0], words[1], words[2], words[3]};
}

// x, y, sum, norm [rows, columns], weight [columns], all at multiples of 16 bytes. grid (rows), block (32, warps).
// REQUIRES columns % 8 == 0, columns <= 8 · 32 · warps · kNormLoads.
extern "C" __global__ void add_rms_norm(const bf16* __restrict__ x, const bf16* __restrict__ y,
                                        const bf16* __restrict__ weight, bf16* __restrict__ sum,
                                        bf16* __restrict__ norm, int columns, float eps) {
  SHARED_FLOATS(squares, kMostWarps);
  const int warps = blockDim.y, thread = threadIdx.y * 32 + threadIdx.x, threads = 32 * warps, loads = columns / 8;
  const long long at = (long long)blockIdx.x * loads;
  const auto eight = [&](const bf16* from, long long i) {
    return unpacked(reinterpret_cast<const uint4*>(from)[i], from);
  };
  uint4 kept[kNormLoads];
  float square = 0;
#pragma unroll
  for (int k = 0; k < kNormLoads; ++k) {
    const int i = thread + k * threads;
    if (i >= loads) continue;
    Eight a = eight(x, at + i);
    const Eight b = eight(y, at + i);
#pragma unroll
    for (int n = 0; n < 8; ++n) {
      a.values[n] = to_float(to_bf16(a.values[n] + b.values[n]));
      square += a.values[n] * a.values[n];
    }
    kept[k] = packed(a.values);
    reinterpret_cast<uint4*>(sum)[at + i] = kept[k];
  }
  const float factor = 1 / sqrtf(block_sum(square, squares) / static_cast<float>(columns) + eps);
#pragma unroll
  for (int k = 0; k < kNormLoads; ++k) {
    const int i = thread + k * threads;
    if (i >= loads) continue;
    Eight a = unpacked(kept[k], x);
    const Eight w = eight(weight, i);
#pragma unroll
    for (int n = 0; n < 8; ++n) a.values[n] *= factor * w.values[n];
    reinterpret_cast<uint4*>(norm)[at + i] = packed(a.values);
  }
}
