#include "cache/block_pool.h"

#include "base/error.h"

namespace glimt {

BlockPool::BlockPool(int blocks) {
  if (blocks < 0) fail(ErrorKind::invalid_request, "block pool", "wanted 0 or more blocks, got {}", blocks);
  references_.resize(static_cast<std::size_t>(blocks), 0);
  for (int block = blocks - 1; block >= 0; --block) free_.push_back(block);
}

void BlockPool::check_held(int block, const char* what) const {
  if (references(block) == 0) fail(ErrorKind::internal, "block pool", "{} of block {}, which is free", what, block);
}

int BlockPool::references(int block) const {
  if (block < 0 || block >= size()) {
    fail(ErrorKind::internal, "block pool", "wanted a block below {}, got {}", size(), block);
  }
  return references_[static_cast<std::size_t>(block)];
}

std::optional<int> BlockPool::allocate() {
  if (free_.empty()) return std::nullopt;
  const int block = free_.back();
  free_.pop_back();
  references_[static_cast<std::size_t>(block)] = 1;
  return block;
}

void BlockPool::share(int block) {
  check_held(block, "share");
  const int references = ++references_[static_cast<std::size_t>(block)];
  if (observer_) observer_(block, references);
}

void BlockPool::release(int block) {
  check_held(block, "release");
  const int references = --references_[static_cast<std::size_t>(block)];
  if (references == 0) free_.push_back(block);
  if (observer_) observer_(block, references);
}

}  // namespace glimt
