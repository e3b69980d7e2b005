// One of the two kernels that the experts of a decode step are: affine weights of 4 bits in groups of 64, scales and
// biases in bfloat16. A warp computes one row; its sum does not depend on the other rows or tokens. Definition: experts
// in kernels.h.
#include "kernels/cuda/dot4.h"

// out[t, j, r] = silu(gate_e r · x_t) · (up_e r · x_t) for the pick j of token t, e = picks[t, j]; the pick behind the
// last is the shared expert.
//
// grid (ceil(inner / warps), picks of a token, tokens), block (32, warps), shared memory chunked_floats(columns) floats.
// REQUIRES columns % 64 == 0.
extern "C" __global__ void experts_gate_up(
    const bf16* __restrict__ x, const unsigned* __restrict__ picks, const unsigned* __restrict__ gate,
    const bf16* __restrict__ gate_scales, const bf16* __restrict__ gate_biases, const unsigned* __restrict__ up,
    const bf16* __restrict__ up_scales, const bf16* __restrict__ up_biases, const unsigned* __restrict__ shared_gate,
    const bf16* __restrict__ shared_gate_scales, const bf16* __restrict__ shared_gate_biases,
    const unsigned* __restrict__ shared_up, const bf16* __restrict__ shared_up_scales,
    const bf16* __restrict__ shared_up_biases, float* __restrict__ out, int columns, int inner, int top_k) {
  SHARED_FLOATS(xs);
  const int lane = threadIdx.x, thread = threadIdx.y * 32 + lane, threads = 32 * blockDim.y;
  const int pick = blockIdx.y, token = blockIdx.z, row = blockIdx.x * blockDim.y + threadIdx.y;
  const int chunks = columns / kChunk;
  float* sums = xs + chunks * kStride;

  const bool is_shared = pick == top_k;
  const int last_row = row < inner ? row : inner - 1;  // threads behind the last row read it as well, and write nothing
  const long long at = is_shared ? last_row : (long long)picks[token * top_k + pick] * inner + last_row;
  const long long words = at * (columns / 8), groups = at * (columns / 64);
  const unsigned* gate_row = (is_shared ? shared_gate : gate) + words;
  const unsigned* up_row = (is_shared ? shared_up : up) + words;
  const bf16* gate_s = (is_shared ? shared_gate_scales : gate_scales) + groups;
  const bf16* gate_b = (is_shared ? shared_gate_biases : gate_biases) + groups;
  const bf16* up_s = (is_shared ? shared_up_scales : up_scales) + groups;
  const bf16* up_b = (is_shared ? shared_up_biases : up_biases) + groups;

  // A chunk is asked for one round before it is used, the first before the block waits for its activations.
  const int first = lane < chunks ? lane : 0;
  WeightChunk next_gate = load_chunk(gate_row, gate_s, gate_b, first);
  WeightChunk next_up = load_chunk(up_row, up_s, up_b, first);
  store_chunks(x + (long long)token * columns, xs, chunks, thread, threads);
  sync();
  sum_chunks(xs, sums, chunks, thread, threads);
  sync();

  float gate_sum = 0, up_sum = 0;
#pragma unroll 1
  for (int chunk = lane; chunk < chunks; chunk += 32) {
    const WeightChunk g = next_gate, u = next_up;
    if (chunk + 32 < chunks) {
      next_gate = load_chunk(gate_row, gate_s, gate_b, chunk + 32);
      next_up = load_chunk(up_row, up_s, up_b, chunk + 32);
    }
    gate_sum += dot_chunk(g, xs + chunk * kStride, sums[chunk]);
    up_sum += dot_chunk(u, xs + chunk * kStride, sums[chunk]);
  }
  gate_sum = warp_sum(gate_sum);
  up_sum = warp_sum(up_sum);
  if (lane == 0 && row < inner) {
    out[((long long)token * gridDim.y + pick) * inner + row] = gate_sum / (1 + fast_exp(-gate_sum)) * up_sum;
  }
}
