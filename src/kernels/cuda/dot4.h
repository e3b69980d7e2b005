// Products of a row of 4-bit weights with activations: MLX's affine packing in groups of 64 columns. A word holds 8
// values, the first lowest; a weight is scale · q + bias, so that a chunk of a group gives scale · Σ(q x) + bias · Σ x.
//
// A lane takes a chunk of 32 columns, which is one load of 16 bytes. 128 + q is a float whose bits need no conversion:
// 0x43000000 | q << 16. So Σ(128 + q) x is what is summed, and 128 Σ x is taken off again with the bias.
#pragma once

#include "kernels/cuda/gpu.h"

// ---- activations, in shared memory: chunk c at xs + c · kStride, its sum in sums[c]

// 16 bytes of them as floats.
struct Eight {
  float values[8];
};
struct Four {
  float values[4];
};
__device__ __forceinline__ Eight unpacked(uint4 v, const bf16*) {
  return {{as_float(v.x << 16), as_float(v.x & 0xFFFF0000u), as_float(v.y << 16), as_float(v.y & 0xFFFF0000u),
           as_float(v.z << 16), as_float(v.z & 0xFFFF0000u), as_float(v.w << 16), as_float(v.w & 0xFFFF0000u)}};
}
__device__ __forceinline__ Four unpacked(uint4 v, const float*) {
  return {{as_float(v.x), as_float(v.y), as_float(v.z), as_float(v.w)}};
}

// `chunks` chunks into shared memory, by all threads of the block; needs a sync() behind it. `x` at a multiple of 16
// bytes.
template <typename T>
__device__ __forceinline__ void store_chunks(const T* x, float* xs, float* sums, int chunks, int thread, int threads) {
  constexpr int width = 16 / sizeof(T), loads = kChunk / width;  // values of a load, loads of a chunk
  for (int first = 0; first < chunks * loads; first += threads) {
    const int i = first + thread;
    const bool is_there = i < chunks * loads;  // all lanes shuffle
    const auto part = unpacked(reinterpret_cast<const uint4*>(x)[is_there ? i : 0], x);
    float sum = 0;
#pragma unroll
    for (int n = 0; n < width; ++n) sum += part.values[n];
#pragma unroll
    for (int mask = 1; mask < loads; mask *= 2) sum += shuffle_xor(sum, mask);
    if (!is_there) continue;
    float* to = xs + i / loads * kStride + i % loads * width;
#pragma unroll
    for (int n = 0; n < width; ++n) to[n] = part.values[n];
    if (i % loads == 0) sums[i / loads] = sum;
  }
}

// ---- weights

// A chunk of one row, and the scale and bias of its group.
struct WeightChunk {
  uint4 words;
  float scale, bias;
};

// A matrix, or a stack of them.
struct Weights {
  const unsigned* words;
  const bf16* scales;
  const bf16* biases;

  __device__ __forceinline__ WeightChunk at(long long row, int columns, int chunk) const {
    const long long group = row * (columns / 64) + chunk / 2;
    return {reinterpret_cast<const uint4*>(words)[row * (columns / kChunk) + chunk], to_float(scales[group]),
            to_float(biases[group])};
  }
};

// Σ(128 + q) x of one word.
__device__ __forceinline__ float dot_word(unsigned word, const float* x, float sum) {
#pragma unroll
  for (int n = 0; n < 8; ++n) {
    const unsigned moved = n < 4 ? word << (16 - 4 * n) : word >> (4 * n - 16);
    sum += as_float((moved & 0x000F0000u) | 0x43000000u) * x[n];
  }
  return sum;
}

// `x`: the chunk's activations, `sum` theirs.
__device__ __forceinline__ float dot_chunk(const WeightChunk& w, const float* x, float sum) {
  float first = dot_word(w.words.x, x, 0), second = dot_word(w.words.y, x + 8, 0);
  first = dot_word(w.words.z, x + 16, first);
  second = dot_word(w.words.w, x + 24, second);
  return w.scale * (first + second) + (w.bias - 128 * w.scale) * sum;
}
