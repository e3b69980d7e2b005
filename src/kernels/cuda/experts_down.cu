// One of the two kernels that the experts of a decode step are: affine weights of 4 bits in groups of 64, scales and
// biases in bfloat16. A warp computes one row; its sum does not depend on the other rows or tokens. Definition: experts
// in kernels.h.
#include "kernels/cuda/dot4.h"

// out[t, r] = Σ over the picks j of scores[t, j] · (down_e r · y[t, j]), plus the shared expert's where there is one
// (`all_picks` is then top_k + 1). A lane's chunks run through all picks, so a row is one sum of one warp.
//
// grid (ceil(rows / warps), 1, tokens), block (32, warps), shared memory all_picks · chunked_floats(inner) floats.
// REQUIRES inner % 64 == 0.
extern "C" __global__ void experts_down(const float* __restrict__ y, const unsigned* __restrict__ picks,
                                        const float* __restrict__ scores, const unsigned* __restrict__ down,
                                        const bf16* __restrict__ down_scales, const bf16* __restrict__ down_biases,
                                        const unsigned* __restrict__ shared_down,
                                        const bf16* __restrict__ shared_scales, const bf16* __restrict__ shared_biases,
                                        bf16* __restrict__ out, int inner, int rows, int top_k, int all_picks) {
  SHARED_FLOATS(ys);
  const int lane = threadIdx.x, thread = threadIdx.y * 32 + lane, threads = 32 * blockDim.y;
  const int token = blockIdx.z, row = blockIdx.x * blockDim.y + threadIdx.y;
  const int chunks = inner / kChunk, all = all_picks * chunks;
  const int last_row = row < rows ? row : rows - 1;
  float* sums = ys + all * kStride;
  store_chunks(y + (long long)token * all_picks * inner, ys, all, thread, threads);
  sync();
  sum_chunks(ys, sums, all, thread, threads);
  sync();

  float total = 0;
  for (int i = lane; i < all; i += 32) {
    const int pick = i / chunks, chunk = i % chunks;
    const bool is_shared = pick == top_k;
    const long long at = is_shared ? last_row : (long long)picks[token * top_k + pick] * rows + last_row;
    const WeightChunk w = load_chunk((is_shared ? shared_down : down) + at * (inner / 8),
                                     (is_shared ? shared_scales : down_scales) + at * (inner / 64),
                                     (is_shared ? shared_biases : down_biases) + at * (inner / 64), chunk);
    const float score = is_shared ? 1 : scores[token * top_k + pick];
    total += score * dot_chunk(w, ys + i * kStride, sums[i]);
  }
  total = warp_sum(total);
  if (lane == 0 && row < rows) out[(long long)token * rows + row] = to_bf16(total);
}
