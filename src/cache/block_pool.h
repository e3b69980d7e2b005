// Counts the references to each block of the paged cache: accounting alone, the rows are kept elsewhere.
#pragma once

#include <functional>
#include <optional>
#include <vector>

namespace glimt {

// Blocks are the numbers 0 .. size() - 1. A block is free, or held by as many owners as it has references; the last one
// to release it frees it. Every operation is O(1). Used by one thread. Misuse (a release too many, a free block shared)
// throws internal: rows of two sequences would mix.
class BlockPool {
 public:
  // Throws invalid_request for a negative number.
  explicit BlockPool(int blocks);

  // A free block, now with one reference. Which one depends only on the calls before; empty when none is free.
  std::optional<int> allocate();

  // Adds a reference. REQUIRES that the block has one.
  void share(int block);

  // Takes a reference away. REQUIRES that the block has one.
  void release(int block);

  int size() const { return static_cast<int>(references_.size()); }
  int free_count() const { return static_cast<int>(free_.size()); }
  int references(int block) const;  // 0: free

  // Called after each change of a block's references by share() and release(). One observer, for PrefixCache: it must
  // know when it has become the last owner. An empty function takes it off.
  using Observer = std::function<void(int block, int references)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

 private:
  void check_held(int block, const char* what) const;

  std::vector<int> references_;
  std::vector<int> free_;  // a stack: the block freed last is the likeliest to be in the CPU's caches
  Observer observer_;
};

}  // namespace glimt
