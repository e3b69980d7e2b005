// What the CUDA sources of this folder may use. Under nvcc it is CUDA; with GLIMT_EMULATE it is what a CPU emulation
// (tests/kernels/cuda/emulate.h, included before) has defined, under which the same source runs in a unit test.
#pragma once

#include "kernels/cuda/shapes.h"

#ifndef GLIMT_EMULATE
#include <cuda_bf16.h>
using bf16 = __nv_bfloat16;
#define SHARED_FLOATS(name, count) __shared__ __align__(16) float name[count]
__device__ __forceinline__ void sync() { __syncthreads(); }
__device__ __forceinline__ float shuffle_xor(float v, int mask) { return __shfl_xor_sync(0xffffffffu, v, mask); }
__device__ __forceinline__ float to_float(bf16 v) { return __bfloat162float(v); }
__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ bf16 to_bf16(float v) { return __float2bfloat16_rn(v); }
__device__ __forceinline__ float as_float(unsigned v) { return __uint_as_float(v); }
__device__ __forceinline__ float fast_exp(float v) { return __expf(v); }  // 2 ulp more than
__device__ __forceinline__ float exp_of(float v) { return expf(v); }      // this one
__device__ __forceinline__ unsigned bits_of(bf16 v) { return __bfloat16_as_ushort(v); }
#endif

using namespace glimt::kernels::cuda;  // shapes.h

__device__ __forceinline__ float warp_sum(float v) {
  for (int mask = 16; mask > 0; mask >>= 1) v += shuffle_xor(v, mask);
  return v;
}

// The sum over the threads of a block (32, warps), for all of them; `of_warps` is shared memory, a float a warp.
__device__ __forceinline__ float block_sum(float v, float* of_warps) {
  v = warp_sum(v);
  if (threadIdx.x == 0) of_warps[threadIdx.y] = v;
  sync();
  float total = 0;
  for (int w = 0; w < static_cast<int>(blockDim.y); ++w) total += of_warps[w];
  return total;
}
