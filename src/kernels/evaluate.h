// Waiting for results, values for a graph, and how memory passes from one thread to another.
#pragma once

#include <mlx/mlx.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace glimt::kernels {

namespace mx = mlx::core;

// Evaluates arrays that this thread reads on the CPU afterwards.
void evaluate(std::vector<mx::array> arrays);

// Integers that the host has for a graph, as int32 [size].
mx::array uploaded(const std::vector<int>& values);

// What a thread did before publish() happens before what any thread does after a later acquire(). Buffers pass between
// the graph's thread and the stream's through MLX's own queue and events, which order the two but are invisible to the
// thread sanitizer: MLX is not instrumented. Both sides cost some nanoseconds.
class Handover {
 public:
  static void publish() { count_.fetch_add(1, std::memory_order_release); }
  static void acquire() { static_cast<void>(count_.load(std::memory_order_acquire)); }

 private:
  static inline std::atomic<std::uint64_t> count_{0};
};

}  // namespace glimt::kernels
