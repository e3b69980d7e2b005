#include "kernels/kernel_queue.h"

#include "kernels/cpu/thread_pool.h"

namespace glimt::kernels {
namespace {

// The outputs of two to four kernels of a prefill of 512 tokens, each of which takes milliseconds.
constexpr std::size_t kMostAhead = std::size_t{16} << 20;

}  // namespace

void KernelQueue::begin(std::size_t bytes) {
  for (std::size_t ahead = bytes_ahead_.load(); ahead > kMostAhead; ahead = bytes_ahead_.load()) {
    bytes_ahead_.wait(ahead);
  }
  bytes_ahead_ += bytes;
}

void KernelQueue::finish(std::size_t bytes, Duration time) {
  nanoseconds_ += std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
  ++finished_;
  bytes_ahead_ -= bytes;
  bytes_ahead_.notify_all();
}

std::optional<std::uint64_t> KernelQueue::progress() const {
  const std::uint64_t finished = finished_;
  if (finished == 0) return std::nullopt;
  return bytes_ahead_ > 0 ? finished + cpu::items_done() : finished;
}

}  // namespace glimt::kernels
