#include "kernels/cpu/buffer.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace glimt::cpu::detail {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kSmallest = 4096;
constexpr std::size_t kMostKept = std::size_t{96}
                                  << 20;  // more than the experts of 512 tokens of GLM-4.7-Flash need (some 60 MB)

struct Kept {
  std::mutex mutex;
  std::vector<Block> blocks;  // by size
  std::size_t bytes = 0;
};

Kept& kept() {
  static Kept& all = *new Kept;  // never destroyed: threads may give back at exit
  return all;
}

void release(Block block) { ::operator delete(block.memory, kAlignment); }

}  // namespace

Block take_block(std::size_t bytes) {
  bytes = std::max(bytes, kSmallest);
  Kept& all = kept();
  {
    const std::lock_guard lock(all.mutex);
    const auto fit = std::lower_bound(all.blocks.begin(), all.blocks.end(), bytes,
                                      [](const Block& block, std::size_t wanted) { return block.bytes < wanted; });
    if (fit != all.blocks.end() && fit->bytes / 2 <= bytes) {  // a much larger one is left for requests of its size
      const Block block = *fit;
      all.blocks.erase(fit);
      all.bytes -= block.bytes;
      return block;
    }
  }
  return {static_cast<std::byte*>(::operator new(bytes, kAlignment)), bytes};
}

void give_block(Block block) {
  if (block.memory == nullptr) return;
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  const auto at = std::upper_bound(all.blocks.begin(), all.blocks.end(), block.bytes,
                                   [](std::size_t bytes, const Block& other) { return bytes < other.bytes; });
  all.blocks.insert(at, block);
  all.bytes += block.bytes;
  // The smallest go first: they are cheap to make again, and no longer asked for if so much is kept.
  while (all.bytes > kMostKept) {
    all.bytes -= all.blocks.front().bytes;
    release(all.blocks.front());
    all.blocks.erase(all.blocks.begin());
  }
}

}  // namespace glimt::cpu::detail
