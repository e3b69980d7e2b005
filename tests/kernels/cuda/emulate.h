// Runs the source of a CUDA kernel on the CPU, so that its logic is tested where there is no GPU: one fiber a thread,
// switched at barriers and warp shuffles. For kernels of threads, shared memory, barriers and shuffles; it knows no
// tensor cores, no asynchronous copies and no races within a warp. Include it before the sources.
#pragma once

#define GLIMT_EMULATE

#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct uint4 {
  unsigned x, y, z, w;
};

namespace emulate {

constexpr std::size_t kStackBytes = std::size_t{32} << 10;

enum class State { runs, waits_for_block, waits_for_warp, ended };

// The block that is being run. A fiber is a thread of it.
struct Block {
  dim3 size, grid, index;
  std::vector<dim3> thread_index;
  std::vector<ucontext_t> fibers;
  std::vector<std::unique_ptr<char[]>> stacks;
  std::vector<State> states;
  std::vector<float> lane_values;  // on their way through a shuffle
  std::vector<float> shared;
  std::function<void()> body;
  ucontext_t scheduler;
  std::size_t current = 0;
};

inline Block* block = nullptr;

inline void leave(State state) {
  const std::size_t me = block->current;
  block->states[me] = state;
  swapcontext(&block->fibers[me], &block->scheduler);
}

inline void enter() {
  block->body();
  leave(State::ended);
}

inline float exchange(float value, std::size_t from_lane) {
  const std::size_t me = block->current;
  block->lane_values[me] = value;
  leave(State::waits_for_warp);
  const float got = block->lane_values[me / 32 * 32 + from_lane];
  leave(State::waits_for_warp);  // nobody writes the next value before all have read this one
  return got;
}

inline void start(Block& b) {
  const std::size_t threads = std::size_t{b.size.x} * b.size.y * b.size.z;
  b.fibers.resize(threads);
  b.states.assign(threads, State::runs);
  b.lane_values.resize(threads + 32);
  for (std::size_t t = 0; t < threads; ++t) {
    const unsigned i = static_cast<unsigned>(t);
    b.thread_index.push_back({i % b.size.x, i / b.size.x % b.size.y, i / (b.size.x * b.size.y)});
    b.stacks.push_back(std::make_unique_for_overwrite<char[]>(kStackBytes));
    getcontext(&b.fibers[t]);
    b.fibers[t].uc_stack.ss_sp = b.stacks.back().get();
    b.fibers[t].uc_stack.ss_size = kStackBytes;
    b.fibers[t].uc_link = &b.scheduler;
    makecontext(&b.fibers[t], enter, 0);
  }
}

// Each thread up to where it waits. Whether any ran.
inline bool run_threads(Block& b) {
  bool ran = false;
  for (std::size_t t = 0; t < b.fibers.size(); ++t) {
    if (b.states[t] != State::runs) continue;
    ran = true;
    b.current = t;
    swapcontext(&b.scheduler, &b.fibers[t]);
  }
  return ran;
}

// Threads [begin, end) go on if all of them that live wait for `kind`.
inline void release(Block& b, std::size_t begin, std::size_t end, State kind) {
  const auto waits = [&](std::size_t t) { return b.states[t] == kind || b.states[t] == State::ended; };
  for (std::size_t t = begin; t < end; ++t) {
    if (!waits(t)) return;
  }
  for (std::size_t t = begin; t < end; ++t) {
    if (b.states[t] == kind) b.states[t] = State::runs;
  }
}

inline void run_block(Block& b) {
  block = &b;
  start(b);
  const std::size_t threads = b.fibers.size();
  const auto ended = [&] { return std::count(b.states.begin(), b.states.end(), State::ended); };
  while (ended() < static_cast<std::ptrdiff_t>(threads)) {
    if (!run_threads(b)) throw std::logic_error("threads of a block wait for different barriers");
    for (std::size_t warp = 0; warp < threads; warp += 32) {
      release(b, warp, std::min(warp + 32, threads), State::waits_for_warp);
    }
    release(b, 0, threads, State::waits_for_block);
  }
  block = nullptr;
}

// The block's shared memory, NaN at first; a kernel has one array of it.
inline float* shared(std::size_t count) {
  if (block->shared.empty()) block->shared.assign(count, std::nanf(""));
  return block->shared.data();
}

// Runs `body` for every thread of every block.
inline void launch(dim3 grid, dim3 size, const std::function<void()>& body) {
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        Block b;
        b.size = size;
        b.grid = grid;
        b.index = {x, y, z};
        b.body = body;
        run_block(b);
      }
    }
  }
}

}  // namespace emulate

#define threadIdx (emulate::block->thread_index[emulate::block->current])
#define blockIdx (emulate::block->index)
#define blockDim (emulate::block->size)
#define gridDim (emulate::block->grid)
#define SHARED_FLOATS(name, count) float* name = emulate::shared(count)

using bf16 = std::uint16_t;  // the bits

inline void sync() { emulate::leave(emulate::State::waits_for_block); }
inline float shuffle_xor(float v, int mask) {
  return emulate::exchange(v, emulate::block->current % 32 ^ static_cast<std::size_t>(mask));
}
inline float as_float(unsigned v) { return std::bit_cast<float>(v); }
inline float to_float(bf16 v) { return as_float(static_cast<unsigned>(v) << 16); }
inline float to_float(float v) { return v; }
inline bf16 to_bf16(float f) {
  const unsigned u = std::bit_cast<unsigned>(f);
  return static_cast<bf16>((u + 0x7FFFU + (u >> 16 & 1U)) >> 16);
}
inline float fast_exp(float x) { return std::exp(x); }
inline float exp_of(float x) { return std::exp(x); }
inline unsigned bits_of(bf16 v) { return v; }
