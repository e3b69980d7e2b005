// One of the two kernels that the experts of a decode step are: affine weights of 4 bits in groups of 64, scales and
// biases in bfloat16. A warp computes one row; its sum does not depend on the other rows or tokens. Definition: experts
// in kernels.h.
#include "kernels/cuda/dot4.h"

// out[t, j, r] = silu(gate_e r · x_t) · (up_e r · x_t) for the pick j of token t, e = picks[t, j]; the pick behind the
// last is the shared expert. An expert's matrix has the `inner` rows of its gate, then those of its up. A warp computes
// kGateUpRows rows, one behind the other.
//
// grid (ceil(inner / (warps · kGateUpRows)), picks of a token, tokens), block (32, warps).
// REQUIRES columns % 64 == 0, chunked_floats(columns) <= kMostGateUpFloats, x at a multiple of 16 bytes.
extern "C" __global__ void experts_gate_up(const bf16* __restrict__ x, const unsigned* __restrict__ picks,
                                           const unsigned* __restrict__ routed, const bf16* __restrict__ routed_scales,
                                           const bf16* __restrict__ routed_biases, const unsigned* __restrict__ shared,
                                           const bf16* __restrict__ shared_scales,
                                           const bf16* __restrict__ shared_biases, float* __restrict__ out, int columns,
                                           int inner, int top_k) {
  SHARED_FLOATS(xs, kMostGateUpFloats);
  const int lane = threadIdx.x, warps = blockDim.y, pick = blockIdx.y, token = blockIdx.z;
  const int chunks = columns / kChunk, rounds = (chunks + 31) / 32;
  float* sums = xs + chunks * kStride;
  const bool is_shared = pick == top_k;
  const Weights w =
      is_shared ? Weights{shared, shared_scales, shared_biases} : Weights{routed, routed_scales, routed_biases};
  const long long first = is_shared ? 0 : (long long)picks[token * top_k + pick] * 2 * inner;
  float* own = out + ((long long)token * gridDim.y + pick) * inner;

  // A chunk of gate and up is asked for one round before it is used, the first one before the block waits for its
  // activations. Behind the last row the last one is read again.
  int row = blockIdx.x * warps * kGateUpRows + threadIdx.y, round = 0;
  const auto load = [&](int half) {
    const int chunk = round * 32 + lane;
    return w.at(first + half * inner + (row < inner ? row : inner - 1), columns, chunk < chunks ? chunk : 0);
  };
  WeightChunk next_gate = load(0), next_up = load(1);
  store_chunks(x + (long long)token * columns, xs, sums, chunks, threadIdx.y * 32 + lane, 32 * warps);
  sync();

  float gate_sum = 0, up_sum = 0;
#pragma unroll 1
  for (int left = kGateUpRows * rounds; left > 0; --left) {
    const WeightChunk gate = next_gate, up = next_up;
    const int chunk = round * 32 + lane, own_row = row;
    const bool row_ends = ++round == rounds;
    if (row_ends) {
      round = 0;
      row += warps;
    }
    if (left > 1) {
      next_gate = load(0);
      next_up = load(1);
    }
    if (chunk < chunks) {
      gate_sum += dot_chunk(gate, xs + chunk * kStride, sums[chunk]);
      up_sum += dot_chunk(up, xs + chunk * kStride, sums[chunk]);
    }
    if (!row_ends) continue;
    gate_sum = warp_sum(gate_sum);
    up_sum = warp_sum(up_sum);
    if (lane == 0 && own_row < inner) own[own_row] = gate_sum / (1 + fast_exp(-gate_sum)) * up_sum;
    gate_sum = up_sum = 0;
  }
}
