// What the kernels and those who launch them agree on. Shared memory has fixed sizes: MLX 0.32.4 takes a number for it
// and does not hand it on.
#pragma once

namespace glimt::kernels::cuda {

// Activations in shared memory, in chunks of 32 with their sums behind them: dot4.h.
constexpr int kChunk = 32;
constexpr int kStride = 36;  // floats from one chunk to the next: lanes meet on different banks
constexpr int chunked_floats(int columns) { return columns / kChunk * (kStride + 1); }

constexpr int kMostGateUpFloats = chunked_floats(4096);  // hidden size
constexpr int kMostDownFloats = 9216;                    // all picks of a token; 36 KB: six blocks on a multiprocessor
constexpr int kGateUpRows = 2;                           // of a warp
constexpr int kNormLoads = 2;                            // of a thread, 8 columns each
constexpr int kMostWarps = 32;
constexpr int kMostExperts = 1024;  // of the router: 32 a lane

}  // namespace glimt::kernels::cuda
