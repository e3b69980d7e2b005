// One of the two kernels that the experts of a decode step are: affine weights of 4 bits in groups of 64, scales and
// biases in bfloat16. A warp computes one row; its sum does not depend on the other rows or tokens. Definition: experts
// in kernels.h.
#include "kernels/cuda/dot4.h"

// out[t, r] = Σ over the picks j of scores[t, j] · (down_e r · y[t, j]), plus the shared expert's where there is one
// (`all_picks` is then top_k + 1). A lane's chunks run through all picks, so a row is one sum of one warp.
//
// grid (ceil(rows / warps), 1, tokens), block (32, warps).
// REQUIRES inner % 64 == 0, all_picks · chunked_floats(inner) <= kMostDownFloats, y at a multiple of 16 bytes.
extern "C" __global__ void experts_down(const float* __restrict__ y, const unsigned* __restrict__ picks,
                                        const float* __restrict__ scores, const unsigned* __restrict__ down,
                                        const bf16* __restrict__ down_scales, const bf16* __restrict__ down_biases,
                                        const unsigned* __restrict__ shared_down,
                                        const bf16* __restrict__ shared_scales, const bf16* __restrict__ shared_biases,
                                        bf16* __restrict__ out, int inner, int rows, int top_k, int all_picks) {
  SHARED_FLOATS(ys, kMostDownFloats);
  const int lane = threadIdx.x, warps = blockDim.y, token = blockIdx.z, row = blockIdx.x * warps + threadIdx.y;
  const int chunks = inner / kChunk, all = all_picks * chunks;
  const int last_row = row < rows ? row : rows - 1;  // threads behind the last row read it as well, and write nothing
  float* sums = ys + all * kStride;

  // What a lane is to do next: a chunk of a pick, or nothing where the chunks of a pick do not fill the warp.
  struct Item {
    WeightChunk w;
    int at;  // its chunk among those of all picks; -1: none
    float score;
  };
  int pick = 0, chunk = lane;
  const auto load = [&]() -> Item {
    if (pick == all_picks) return {{{0, 0, 0, 0}, 0, 0}, -1, 0};
    const bool is_shared = pick == top_k;
    const Weights w =
        is_shared ? Weights{shared_down, shared_scales, shared_biases} : Weights{down, down_scales, down_biases};
    const long long expert = is_shared ? 0 : picks[token * top_k + pick];
    const Item item{w.at(expert * rows + last_row, inner, chunk < chunks ? chunk : 0),
                    chunk < chunks ? pick * chunks + chunk : -1, is_shared ? 1 : scores[token * top_k + pick]};
    chunk += 32;
    if (chunk - lane >= chunks) {
      chunk = lane;
      ++pick;
    }
    return item;
  };
  Item next = load(), after = load();
  store_chunks(y + (long long)token * all_picks * inner, ys, sums, all, threadIdx.y * 32 + lane, 32 * warps);
  sync();

  float total = 0;
#pragma unroll 1
  for (int left = all_picks * ((chunks + 31) / 32); left > 0; --left) {
    const Item item = next;
    next = after;
    after = load();
    if (item.at >= 0) total += item.score * dot_chunk(item.w, ys + item.at * kStride, sums[item.at]);
  }
  total = warp_sum(total);
  if (lane == 0 && row < rows) out[(long long)token * rows + row] = to_bf16(total);
}
