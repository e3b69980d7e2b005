// What an engine tells about itself while it works. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glimt {

// A snapshot. Counters grow from the engine's start on.
struct EngineMetrics {
  int running = 0, waiting = 0;
  std::size_t block_bytes = 0;
  int blocks = 0, free_blocks = 0;
  int cached_blocks = 0;     // in the prefix cache, perhaps in use as well
  int evictable_blocks = 0;  // of these, in no use
  std::uint64_t steps = 0, prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  std::uint64_t drafted = 0, accepted = 0, preemptions = 0, evicted_blocks = 0;
  std::uint64_t stalls = 0;  // requests that were failed because nothing could run although nothing ran
  // Of the steps in which every sequence decoded: the time they took, and what their tokens would have taken without
  // guesses, as estimated from the steps that had none.
  double decode_seconds = 0, plain_decode_seconds = 0;
  std::size_t huge_page_bytes = 0;  // of the weights
  double kernel_seconds = 0;        // inside our CPU kernels

  // How many times as fast guessing ahead makes decoding; 1 before the first guess.
  double speculation_speedup() const {
    return drafted > 0 && decode_seconds > 0 ? plain_decode_seconds / decode_seconds : 1;
  }
};

struct EngineHealth {
  // False: the step at hand does not get on (EngineOptions::stall_limit, step_limit), the last step could run nothing
  // although requests wait, or the engine's thread has ended.
  bool ok = true;
  double step_seconds = 0;  // of the step at hand; 0 between steps
  double idle_seconds = 0;  // since the last step ended
  EngineMetrics metrics;    // as of the end of the last step
};

}  // namespace glimt
