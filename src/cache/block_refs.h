// Owns references to blocks: they are released with it, on every path.
#pragma once

#include "cache/block_pool.h"

#include <utility>
#include <vector>

namespace glimt {

// References of one holder to blocks of one pool, in the order in which they were added. Movable. Used by the pool's
// thread; the pool must outlive it.
class BlockRefs {
 public:
  BlockRefs() = default;  // holds nothing; of a pool only once one is assigned
  explicit BlockRefs(BlockPool& pool) : pool_(&pool) {}
  // Takes over one reference to each of `blocks`, which the caller holds.
  BlockRefs(BlockPool& pool, std::vector<int> blocks) noexcept : pool_(&pool), blocks_(std::move(blocks)) {}
  ~BlockRefs() { clear(); }
  BlockRefs(BlockRefs&& other) noexcept : pool_(other.pool_), blocks_(std::exchange(other.blocks_, {})) {}
  BlockRefs& operator=(BlockRefs&& other) noexcept {
    if (this != &other) {
      clear();
      pool_ = other.pool_;
      blocks_ = std::exchange(other.blocks_, {});
    }
    return *this;
  }

  // Takes over the reference that the caller holds: it is released even if this throws (bad_alloc). REQUIRES a pool.
  void add(int block);

  // Hands the reference that was added last to the caller. REQUIRES !empty().
  int take_last() {
    const int block = blocks_.back();
    blocks_.pop_back();
    return block;
  }

  // Releases all.
  void clear() noexcept;

  const std::vector<int>& numbers() const { return blocks_; }
  int size() const { return static_cast<int>(blocks_.size()); }
  bool empty() const { return blocks_.empty(); }

 private:
  BlockPool* pool_ = nullptr;
  std::vector<int> blocks_;
};

}  // namespace glimt
