#include "kernels/cpu/buffer.h"

#include <algorithm>
#include <mutex>
#include <new>
#include <vector>

namespace glimt::cpu::detail {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kSmallest = 4096;
// Kept although nobody uses it: as much as was in use at once, within these bounds. The experts of 512 tokens of
// GLM-4.7-Flash need some 60 MB, those of 2,048 four times that.
constexpr std::size_t kLeastKept = std::size_t{96} << 20, kMostKept = std::size_t{384} << 20;

struct Kept {
  std::mutex mutex;
  std::vector<Memory> pieces;  // by size
  std::size_t bytes = 0;
  std::size_t used = 0, most_used = kLeastKept;
};

void count_use(Kept& all, std::size_t bytes) {
  all.used += bytes;
  all.most_used = std::min(std::max(all.most_used, all.used), kMostKept);
}

Kept& kept() {
  static Kept& all = *new Kept;  // never destroyed: threads may give back at exit
  return all;
}

void release(Memory piece) { ::operator delete(piece.at, kAlignment); }

}  // namespace

Memory take_memory(std::size_t bytes) {
  bytes = std::max(bytes, kSmallest);
  Kept& all = kept();
  {
    const std::lock_guard lock(all.mutex);
    const auto fit = std::lower_bound(all.pieces.begin(), all.pieces.end(), bytes,
                                      [](const Memory& piece, std::size_t wanted) { return piece.bytes < wanted; });
    if (fit != all.pieces.end() && fit->bytes / 2 <= bytes) {  // a much larger one is left for requests of its size
      const Memory piece = *fit;
      all.pieces.erase(fit);
      all.bytes -= piece.bytes;
      count_use(all, piece.bytes);
      return piece;
    }
    count_use(all, bytes);
  }
  return {static_cast<std::byte*>(::operator new(bytes, kAlignment)), bytes};
}

void give_memory(Memory piece) {
  if (piece.at == nullptr) return;
  Kept& all = kept();
  const std::lock_guard lock(all.mutex);
  const auto at = std::upper_bound(all.pieces.begin(), all.pieces.end(), piece.bytes,
                                   [](std::size_t bytes, const Memory& other) { return bytes < other.bytes; });
  all.pieces.insert(at, piece);
  all.bytes += piece.bytes;
  all.used -= piece.bytes;
  // The smallest go first: they are cheap to make again, and no longer asked for if so much is kept.
  while (all.bytes > all.most_used) {
    all.bytes -= all.pieces.front().bytes;
    release(all.pieces.front());
    all.pieces.erase(all.pieces.begin());
  }
}

}  // namespace glimt::cpu::detail
