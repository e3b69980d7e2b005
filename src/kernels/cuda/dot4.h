// Products of a row of 4-bit weights with activations: MLX's affine packing in groups of 64 columns. A word holds 8
// values, the first lowest; a weight is scale · q + bias, so that a chunk of a group gives scale · Σ(q x) + bias · Σ x.
//
// A lane takes a chunk of 32 columns, which is one load of 16 bytes. 128 + q is a float whose bits need no conversion:
// 0x43000000 | q << 16. So Σ(128 + q) x is what is summed, and 128 Σ x is taken off again with the bias.
#pragma once

#include "kernels/cuda/gpu.h"

constexpr int kChunk = 32;   // columns
constexpr int kStride = 36;  // floats from one chunk to the next in shared memory: lanes meet on different banks

// Floats of shared memory for `columns` activations and the sum of each chunk.
__device__ __forceinline__ int chunked_floats(int columns) { return columns / kChunk * (kStride + 1); }

// `count` chunks of activations into shared memory, by all threads of the block; `sums` needs a sync() behind it.
template <typename T>
__device__ __forceinline__ void store_chunks(const T* x, float* xs, int count, int thread, int threads) {
  for (int i = thread; i < count * kChunk; i += threads) xs[i / kChunk * kStride + i % kChunk] = to_float(x[i]);
}

__device__ __forceinline__ void sum_chunks(const float* xs, float* sums, int count, int thread, int threads) {
  for (int chunk = thread; chunk < count; chunk += threads) {
    float sum = 0;
    for (int i = 0; i < kChunk; ++i) sum += xs[chunk * kStride + i];
    sums[chunk] = sum;
  }
}

// Σ(128 + q) x of one word.
__device__ __forceinline__ float dot_word(unsigned word, const float* x, float sum) {
#pragma unroll
  for (int n = 0; n < 8; ++n) {
    const unsigned moved = n < 4 ? word << (16 - 4 * n) : word >> (4 * n - 16);
    sum += as_float((moved & 0x000F0000u) | 0x43000000u) * x[n];
  }
  return sum;
}

// A chunk of one row, and the scale and bias of its group.
struct WeightChunk {
  uint4 words;
  float scale, bias;
};

__device__ __forceinline__ WeightChunk load_chunk(const unsigned* words, const bf16* scales, const bf16* biases,
                                                  int chunk) {
  return {reinterpret_cast<const uint4*>(words)[chunk], to_float(scales[chunk / 2]), to_float(biases[chunk / 2])};
}

// `x`: the chunk's activations, `sum` theirs.
__device__ __forceinline__ float dot_chunk(const WeightChunk& w, const float* x, float sum) {
  float first = dot_word(w.words.x, x, 0), second = dot_word(w.words.y, x + 8, 0);
  first = dot_word(w.words.z, x + 16, first);
  second = dot_word(w.words.w, x + 24, second);
  return w.scale * (first + second) + (w.bias - 128 * w.scale) * sum;
}
