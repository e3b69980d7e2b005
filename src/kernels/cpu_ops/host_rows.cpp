#include "kernels/cpu_ops/host_rows.h"

#include "base/error.h"

#include <sys/mman.h>

#include <cstring>

namespace glimt::kernels {
namespace {

// Private anonymous memory whose pages exist from their first write on.
std::shared_ptr<std::byte> reserve(std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fail(ErrorKind::internal, "LatentPool", "cannot reserve {} bytes for the cache", bytes);
#if defined(MADV_HUGEPAGE)
  madvise(memory, bytes, MADV_HUGEPAGE);  // fewer TLB misses over long contexts; refused where there are none
#endif
  return {static_cast<std::byte*>(memory), [bytes](std::byte* at) { munmap(at, bytes); }};
}

}  // namespace

HostRows::HostRows(RowType type, int width, int blocks)
    : PagedRows(type, width), memory_(reserve(static_cast<std::size_t>(blocks) * block_bytes())) {}

void HostRows::copy_rows(int from, int to, int count) {
  std::memcpy(block_at(to), block_at(from), static_cast<std::size_t>(count) * row_bytes(type(), width()));
}

void HostRows::read_block(int block, std::span<std::byte> bytes) const {
  std::memcpy(bytes.data(), block_at(block), bytes.size());
}

void HostRows::write_block(int block, std::span<const std::byte> bytes) {
  std::memcpy(block_at(block), bytes.data(), bytes.size());
}

}  // namespace glimt::kernels
