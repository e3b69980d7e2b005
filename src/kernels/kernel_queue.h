// The kernels that a device runs behind the thread that builds the graph: how much they have still to write, and how
// long they took. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace glimt::kernels {

class KernelQueue {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // A kernel that will write `bytes` is handed over. The graph's thread is ahead of the kernels, by up to a hundred of
  // them, and what they will write is memory that the program holds: in a prefill this waits until there is room.
  void begin(std::size_t bytes);

  // It has run, for so long.
  void finish(std::size_t bytes, Duration time);

  // A number that changes while kernels get on, also within a long one. Nothing before the first one has run: then the
  // device has none that could be seen. (While a kernel of this queue runs, those of another may change it, too: they
  // share the threads.)
  std::optional<std::uint64_t> progress() const;

  // Of all kernels so far; the rest of a step is graph building, MLX's own operations and waiting.
  double seconds() const { return static_cast<double>(nanoseconds_.load()) * 1e-9; }

 private:
  std::atomic<std::int64_t> nanoseconds_{0};
  std::atomic<std::size_t> bytes_ahead_{0};
  std::atomic<std::uint64_t> finished_{0};
};

}  // namespace glimt::kernels
