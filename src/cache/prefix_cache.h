// Remembers which blocks hold the rows of which tokens, so that a request does not compute a beginning that an earlier
// or a running one has computed. Accounting alone; the rows stay where they are.
#pragma once

#include "base/token.h"
#include "cache/block_pool.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// What match() found. The caller owns one reference of each block here.
struct PrefixMatch {
  std::vector<int> blocks;  // hold the rows of the first blocks.size() * block_tokens tokens

  // The block whose first `tokens` rows fit what follows: copy them into a block of your own, then release this one.
  struct Partial {
    int block;
    int tokens;  // 1 .. block_tokens - 1
  };
  std::optional<Partial> partial;
};

struct PrefixStats {
  std::uint64_t hit_tokens = 0;   // asked for by match() and found
  std::uint64_t miss_tokens = 0;  // asked for and not found
  std::uint64_t evicted_blocks = 0;
};

// A tree for each namespace (an API key, say; no namespace sees another's blocks): a node is one block, its key the
// exact tokens in it (fewer than a block's only in a leaf), its path from the root the tokens before. The tree owns one
// reference of each of its blocks. A block is busy while another holder has it too, or has one below it; blocks that
// are not busy can be evicted, the leaf that match() and insert() touched longest ago first; but those of a namespace
// that holds more than its share come before others. The share is the pool over the number of namespaces that were used
// of late: one client that asks much does not push the prefixes of another one out, and one that is alone has
// everything. All results depend only on the calls before. Used by one thread.
//
// match() and insert() may throw bad_alloc; they change nothing then but what they had remembered before. Releasing a
// block allocates nothing: the pool's observer never throws.
class PrefixCache {
 public:
  // The pool must outlive the cache, which observes it. Throws invalid_request unless block_tokens > 0.
  PrefixCache(BlockPool& pool, int block_tokens);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The longest known beginning of `tokens`, at least one token short of all of them: the last one gives the logits.
  // O(tokens), with a factor of log(branches) at each node.
  PrefixMatch match(std::string_view name_space, std::span<const TokenId> tokens);

  // What match() would find in full blocks, without taking it; `busy` of these blocks cost a new sequence nothing,
  // because they could not be evicted anyway.
  struct Coverage {
    int blocks = 0;
    int busy = 0;
  };
  Coverage peek(std::string_view name_space, std::span<const TokenId> tokens) const;

  // Remembers the blocks of a sequence: blocks[i] holds the rows of tokens[i * block_tokens ...]. One block behind the
  // full ones may hold the rest, if no sequence writes to it any more: match() finds it as a partial one. The tree
  // takes a reference of its own of each block that is new to it; where it knows the tokens already it keeps its block,
  // and the sequence's copy stays the sequence's alone. Returns how many it took. Throws internal for a block that is
  // free or already in the tree for other tokens. O(tokens).
  int insert(std::string_view name_space, std::span<const TokenId> tokens, std::span<const int> blocks);

  // A namespace was used of late if it was among the last so many calls of match() and insert().
  static constexpr std::uint64_t kRecentCalls = 256;

  // Frees `blocks` blocks, or as many as can be, and returns how many. O(namespaces + log(leaves)) for each.
  int evict(int blocks);

  // Forgets everything; blocks that sequences hold stay theirs.
  void clear();

  int held() const { return held_; }                                  // blocks in the tree
  int evictable() const { return held_ - busy_; }                     // what evict() could free now
  int namespaces() const { return static_cast<int>(roots_.size()); }  // that hold a block
  const PrefixStats& stats() const { return stats_; }

 private:
  struct ByTokens {
    bool operator()(std::span<const TokenId> a, std::span<const TokenId> b) const;
  };
  struct Node;
  using IdleLeaves = std::map<std::uint64_t, Node*>;
  struct Node {
    Node* parent = nullptr;  // null: the root of a namespace, which has no block and no tokens
    int block = -1;
    std::vector<TokenId> tokens;  // block_tokens of them, fewer in a tail
    // The keys point into the children's `tokens`. Sorted: neighbours of a key share the longest beginning with it.
    std::map<std::span<const TokenId>, Node*, ByTokens> children;
    int busy_children = 0;
    bool busy = false;
    std::uint64_t used = 0;  // clock_ of the last touch
    Node* root = nullptr;    // its namespace's; a root's own is itself
    // Of a root: its name, its blocks, and those of them that are idle leaves, by `used`. One call touches one path,
    // which has one leaf: no ties.
    std::string name_space;
    int held = 0;
    IdleLeaves idle_leaves;
    // Its place in the root's idle_leaves while it is not there, made with the node: becoming idle must not need
    // memory.
    IdleLeaves::node_type ticket;

    bool is_idle_leaf() const { return parent != nullptr && !busy && children.empty(); }
  };
  using Path = std::vector<Node*>;

  Path find_path(std::string_view name_space,
                 std::span<const TokenId> tokens) const;  // the root first, if there is one
  void share_partial(const Node& parent, std::span<const TokenId> tokens, PrefixMatch& found);
  int insert_tail(Node* parent, std::span<const TokenId> tokens, int block);
  Node* add(Node* parent, std::span<const TokenId> tokens, int block);
  void remove(Node* leaf);
  void touch(Node* node);
  void update(Node* node);  // brings `busy` up to date, here and above
  void file(Node* node);    // puts it into its idle_leaves, or takes it out
  void take_out(Node* node);
  Node* next_to_evict() const;  // null: nothing is idle
  Node* node_of(int block) const { return nodes_[static_cast<std::size_t>(block)].get(); }

  BlockPool& pool_;
  int block_tokens_;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> roots_;
  std::vector<std::unique_ptr<Node>> nodes_;  // by block; a flat owner, so that a deep tree needs no recursion
  std::uint64_t clock_ = 0;
  int held_ = 0;
  int busy_ = 0;
  PrefixStats stats_;
};

}  // namespace glimt
