// What a layer's attention does with its new rows before it attends (mla in kernels.h): the last columns of each head's
// query are turned to its position, and [norm(latent) | turned k_pe] goes into the cache.
//
// The cache is written in place, although it is an input: whoever reads the new rows also takes `turned`, so that this
// kernel has run by then.
#include "kernels/cuda/gpu.h"

// Column i of a vector of `rope` columns `x` after its turn. Pairs are (2 p, 2 p + 1), or (p, p + rope / 2); turns
// [rope / 2, 2] are cosine and sine of each pair's angle.
__device__ __forceinline__ float turned_column(const bf16* x, int i, int rope, bool interleaved, const float* turns) {
  const int half = rope / 2, pair = interleaved ? i / 2 : i % half;
  const bool second = interleaved ? i % 2 != 0 : i >= half;
  const int other = interleaved ? i ^ 1 : (second ? i - half : i + half);
  const float cosine = turns[2 * pair], sine = turns[2 * pair + 1];
  const float own = to_float(x[i]), partner = to_float(x[other]);
  return second ? partner * sine + own * cosine : own * cosine - partner * sine;
}

// q and turned [tokens, heads, nope + rope], kv [tokens, latent + rope], norm [latent],
// turns [tokens, rope / 2, 2], rows [tokens], cache [any, latent + rope]: token t's row is rows[t].
// grid (heads + 1, tokens), block (32, warps).
extern "C" __global__ void mla_store(const bf16* __restrict__ q, const bf16* __restrict__ kv,
                                     const bf16* __restrict__ norm, const float* __restrict__ turns,
                                     const int* __restrict__ rows, const bf16* cache, bf16* __restrict__ turned,
                                     int heads, int nope, int rope, int latent, bool interleaved, float eps,
                                     float magnitude) {
  SHARED_FLOATS(squares, kMostWarps);
  const int head = blockIdx.x, token = blockIdx.y, warps = blockDim.y;
  const int thread = threadIdx.y * 32 + threadIdx.x, threads = 32 * warps;
  const float* own_turns = turns + (long long)token * rope;

  if (head < heads) {
    const long long at = ((long long)token * heads + head) * (nope + rope);
    for (int i = thread; i < nope; i += threads) turned[at + i] = q[at + i];
    for (int i = thread; i < rope; i += threads) {
      turned[at + nope + i] = to_bf16(turned_column(q + at + nope, i, rope, interleaved, own_turns));
    }
    return;
  }
  const bf16* own = kv + (long long)token * (latent + rope);
  bf16* row = const_cast<bf16*>(cache) + (long long)rows[token] * (latent + rope);
  float square = 0;
  for (int i = thread; i < latent; i += threads) square += to_float(own[i]) * to_float(own[i]);
  const float factor = 1 / sqrtf(block_sum(square, squares) / static_cast<float>(latent) + eps);
  for (int i = thread; i < latent; i += threads) row[i] = to_bf16(to_float(own[i]) * factor * to_float(norm[i]));
  for (int i = thread; i < rope; i += threads) {
    row[latent + i] = to_bf16(turned_column(own + latent, i, rope, interleaved, own_turns) * magnitude);
  }
}
