// What a layer's attention does with its new rows before it attends (mla in kernels.h): the last columns of each head's
// query are turned to its position, and [norm(latent) | turned k_pe] goes into the cache.
//
// The cache is written in place, although it is an input: whoever reads the new rows also takes `turned`, so that this
// kernel has run by then.
#include "kernels/cuda/gpu.h"

struct Turn {
  float cosine, sine;
};

__device__ __forceinline__ Turn turn_of(float angle) {
  Turn t;
  sine_cosine(angle, &t.sine, &t.cosine);
  return t;
}

// Column i of a vector of `rope` columns `x` after the turn. Pairs are (2 p, 2 p + 1), or (p, p + rope / 2).
__device__ __forceinline__ float turned_column(const bf16* x, int i, int rope, bool interleaved, float position,
                                               const float* periods) {
  const int half = rope / 2, pair = interleaved ? i / 2 : i % half;
  const bool second = interleaved ? i % 2 != 0 : i >= half;
  const int other = interleaved ? i ^ 1 : (second ? i - half : i + half);
  const Turn t = turn_of(position / periods[pair]);
  const float own = to_float(x[i]), partner = to_float(x[other]);
  return second ? partner * t.sine + own * t.cosine : own * t.cosine - partner * t.sine;
}

// q and turned [tokens, heads, nope + rope], kv [tokens, latent + rope], norm [latent], periods [rope / 2],
// positions and rows [tokens], cache [any, latent + rope]: token t's row is rows[t].
// grid (heads + 1, tokens), block (32, warps), shared memory warps floats.
extern "C" __global__ void mla_store(const bf16* __restrict__ q, const bf16* __restrict__ kv,
                                     const float* __restrict__ norm, const float* __restrict__ periods,
                                     const int* __restrict__ positions, const int* __restrict__ rows, const bf16* cache,
                                     bf16* __restrict__ turned, int heads, int nope, int rope, int latent,
                                     bool interleaved, float eps, float magnitude) {
  SHARED_FLOATS(squares);
  const int head = blockIdx.x, token = blockIdx.y, warps = blockDim.y;
  const int thread = threadIdx.y * 32 + threadIdx.x, threads = 32 * warps;
  const float position = static_cast<float>(positions[token]);

  if (head < heads) {
    const long long at = ((long long)token * heads + head) * (nope + rope);
    for (int i = thread; i < nope; i += threads) turned[at + i] = q[at + i];
    for (int i = thread; i < rope; i += threads) {
      turned[at + nope + i] = to_bf16(turned_column(q + at + nope, i, rope, interleaved, position, periods));
    }
    return;
  }
  const bf16* own = kv + (long long)token * (latent + rope);
  bf16* row = const_cast<bf16*>(cache) + (long long)rows[token] * (latent + rope);
  float square = 0;
  for (int i = thread; i < latent; i += threads) square += to_float(own[i]) * to_float(own[i]);
  square = warp_sum(square);
  if (threadIdx.x == 0) squares[threadIdx.y] = square;
  sync();
  float total = 0;
  for (int w = 0; w < warps; ++w) total += squares[w];
  const float factor = 1 / sqrtf(total / static_cast<float>(latent) + eps);
  for (int i = thread; i < latent; i += threads) row[i] = to_bf16(to_float(own[i]) * factor * norm[i]);
  for (int i = thread; i < rope; i += threads) {
    row[latent + i] = to_bf16(turned_column(own + latent, i, rope, interleaved, position, periods) * magnitude);
  }
}
