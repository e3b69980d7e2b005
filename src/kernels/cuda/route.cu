// Which experts a token goes to (route in kernels.h, without groups): the top_k largest of sigmoid(logits) + bias, equal
// ones by lower index, and their sigmoids as weights. A warp computes a token.
#include "kernels/cuda/gpu.h"

// logits [tokens, experts], bias [experts] -> indices, scores [tokens, top_k]. grid (tokens), block (32).
// REQUIRES experts <= kMostExperts, top_k <= experts.
extern "C" __global__ void route(const float* __restrict__ logits, const float* __restrict__ bias,
                                 unsigned* __restrict__ indices, float* __restrict__ scores, int experts, int top_k,
                                 bool normalize, float scale) {
  const int lane = threadIdx.x;
  const float* own = logits + (long long)blockIdx.x * experts;
  unsigned* own_indices = indices + (long long)blockIdx.x * top_k;
  float* own_scores = scores + (long long)blockIdx.x * top_k;

  unsigned taken = 0;       // bit i: expert lane + 32 i of this lane
  float sum = 0, kept = 0;  // of the scores; the one that lane k keeps is the k-th
#pragma unroll 1
  for (int k = 0; k < top_k; ++k) {
    float best = -INFINITY, at = static_cast<float>(experts);
#pragma unroll 1
    for (int e = lane; e < experts; e += 32) {
      const float choice = 1 / (1 + exp_of(-own[e])) + bias[e];
      const bool better = choice > best || at == static_cast<float>(experts);
      if (!(taken >> (e / 32) & 1) && better) {
        best = choice;
        at = static_cast<float>(e);
      }
    }
    for (int mask = 16; mask > 0; mask >>= 1) {
      const float other = shuffle_xor(best, mask), other_at = shuffle_xor(at, mask);
      if (other > best || (!(best > other) && other_at < at)) {
        best = other;
        at = other_at;
      }
    }
    const int expert = static_cast<int>(at);
    if (expert % 32 == lane) taken |= 1u << (expert / 32);
    const float score = 1 / (1 + exp_of(-own[expert]));
    sum += score;
    if (lane == 0) own_indices[k] = static_cast<unsigned>(expert);
    if (k % 32 == lane) kept = score;
    if (k % 32 == 31 || k + 1 == top_k) {
      const int first = k / 32 * 32;
      if (first + lane <= k) own_scores[first + lane] = kept;
    }
  }
  const float factor = normalize && top_k > 1 ? scale / (sum + 1e-20f) : scale;
#pragma unroll 1
  for (int k = lane; k < top_k; k += 32) own_scores[k] *= factor;
}
