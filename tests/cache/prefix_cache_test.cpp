// The oracle at the end is the same cache without a tree: a list of (namespace, all tokens up to the end of the block),
// scanned for every question.
#include "cache/prefix_cache.h"

#include "base/throws.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>

namespace glimt {
namespace {

using Tokens = std::vector<TokenId>;
using Blocks = std::vector<int>;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kBlock = 4;

Tokens count_up(int n, TokenId from = 0) {
  Tokens tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(from + i);
  return tokens;
}

Tokens join(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

struct Fixture {
  explicit Fixture(int blocks = 32) : pool(blocks), cache(pool, kBlock) {}

  Blocks allocate(std::size_t n) {
    Blocks blocks;
    while (blocks.size() < n) blocks.push_back(pool.allocate().value());
    return blocks;
  }
  void release(const Blocks& blocks) {
    for (const int block : blocks) pool.release(block);
  }
  void release(const PrefixMatch& found) {
    release(found.blocks);
    if (found.partial) pool.release(found.partial->block);
  }
  // A sequence that came, was computed, and is gone. Returns its blocks.
  Blocks leave(std::string_view name_space, const Tokens& tokens) {
    const Blocks blocks = allocate(tokens.size() / kBlock);
    cache.insert(name_space, tokens, blocks);
    release(blocks);
    return blocks;
  }
  // Full blocks and tokens of the partial one that a request would reuse.
  std::pair<int, int> reuse(std::string_view name_space, const Tokens& tokens) {
    const PrefixMatch found = cache.match(name_space, tokens);
    release(found);
    return {static_cast<int>(found.blocks.size()), found.partial ? found.partial->tokens : 0};
  }

  BlockPool pool;
  PrefixCache cache;
};

using Reuse = std::pair<int, int>;

TEST(PrefixCache, KnowsNothingAtFirst) {
  Fixture f;
  const PrefixMatch found = f.cache.match("", count_up(9));
  EXPECT_THAT(found.blocks, IsEmpty());
  EXPECT_FALSE(found.partial.has_value());
  EXPECT_EQ(f.cache.held(), 0);
  EXPECT_EQ(f.cache.evict(3), 0);
  EXPECT_EQ(f.cache.stats().miss_tokens, 9U);
}

TEST(PrefixCache, FindsTheLongestBeginningInBlocksAndTheRestToTheToken) {
  Fixture f;
  const Blocks blocks = f.leave("", count_up(12));
  const PrefixMatch found = f.cache.match("", join(count_up(10), {77, 78, 79}));
  EXPECT_EQ(found.blocks, (Blocks{blocks[0], blocks[1]}));
  ASSERT_TRUE(found.partial.has_value());
  EXPECT_EQ(found.partial->block, blocks[2]);
  EXPECT_EQ(found.partial->tokens, 2);
  EXPECT_EQ(f.pool.references(blocks[0]), 2);
  EXPECT_EQ(f.pool.references(blocks[2]), 2);
  f.release(found);
  EXPECT_EQ(f.cache.stats().hit_tokens, 10U);
  EXPECT_EQ(f.cache.stats().miss_tokens, 3U);

  EXPECT_EQ(f.reuse("", count_up(13)), Reuse(3, 0));
  EXPECT_EQ(f.reuse("", count_up(100)), Reuse(3, 0));
  EXPECT_EQ(f.reuse("", count_up(12, 1)), Reuse(0, 0));
  EXPECT_EQ(f.reuse("", {0, 1, 99}), Reuse(0, 2));
  EXPECT_EQ(f.reuse("", {}), Reuse(0, 0));
}

TEST(PrefixCache, LeavesOneTokenToCompute) {
  Fixture f;
  f.leave("", count_up(8));
  EXPECT_EQ(f.reuse("", count_up(9)), Reuse(2, 0));
  EXPECT_EQ(f.reuse("", count_up(8)), Reuse(1, 3));
  EXPECT_EQ(f.reuse("", count_up(5)), Reuse(1, 0));
  EXPECT_EQ(f.reuse("", count_up(4)), Reuse(0, 3));
  EXPECT_EQ(f.reuse("", count_up(1)), Reuse(0, 0));
}

TEST(PrefixCache, AChangedTokenCostsWhatFollowsIt) {
  for (int changed = 0; changed < 12; ++changed) {
    Fixture f;
    f.leave("", count_up(12));
    Tokens tokens = count_up(12);
    tokens[static_cast<std::size_t>(changed)] = 1000;
    EXPECT_EQ(f.reuse("", tokens), Reuse(changed / kBlock, changed % kBlock)) << changed;
  }
}

TEST(PrefixCache, PicksTheBestOfManyBranches) {
  Fixture f(64);
  const Tokens root = count_up(4);
  for (TokenId a = 0; a < 3; ++a) {
    for (TokenId b = 0; b < 3; ++b) {
      for (TokenId c = 0; c < 3; ++c) f.leave("", join(root, {2 * a, 2 * b, 2 * c, 0}));
    }
  }
  EXPECT_EQ(f.cache.held(), 1 + 27);
  EXPECT_EQ(f.reuse("", join(root, {2, 4, 2, 0, 5})), Reuse(2, 0));
  EXPECT_EQ(f.reuse("", join(root, {2, 4, 2, 1, 5})), Reuse(1, 3));
  EXPECT_EQ(f.reuse("", join(root, {2, 4, 2, -1, 5})), Reuse(1, 3));
  EXPECT_EQ(f.reuse("", join(root, {2, 4, 1, 9, 5})), Reuse(1, 2));
  EXPECT_EQ(f.reuse("", join(root, {2, 4, 99, 9})), Reuse(1, 2));
  EXPECT_EQ(f.reuse("", join(root, {4, 9})), Reuse(1, 1));
  EXPECT_EQ(f.reuse("", join(root, {3, 0, 0, 0, 0})), Reuse(1, 0));
  EXPECT_EQ(f.reuse("", join(root, {-3, 0, 0, 0, 0})), Reuse(1, 0));
  EXPECT_EQ(f.reuse("", join(root, {99, 0, 0, 0, 0})), Reuse(1, 0));
}

TEST(PrefixCache, NamespacesDoNotSeeEachOther) {
  Fixture f;
  const Blocks alice = f.leave("alice", count_up(8));
  EXPECT_EQ(f.reuse("bob", count_up(9)), Reuse(0, 0));
  EXPECT_EQ(f.reuse("", count_up(9)), Reuse(0, 0));
  EXPECT_EQ(f.cache.peek("bob", count_up(9)).blocks, 0);
  const Blocks bob = f.leave("bob", count_up(8));
  EXPECT_EQ(f.cache.held(), 4);
  EXPECT_EQ(f.cache.namespaces(), 2);
  const PrefixMatch found = f.cache.match("alice", count_up(9));
  EXPECT_EQ(found.blocks, alice);
  f.release(found);
  EXPECT_EQ(f.cache.evict(2), 2);  // bob's, unused for longer
  EXPECT_EQ(f.pool.references(bob[0]), 0);
  EXPECT_EQ(f.cache.namespaces(), 1);
  EXPECT_EQ(f.cache.evict(4), 2);
  EXPECT_EQ(f.cache.namespaces(), 0);
  EXPECT_EQ(f.pool.free_count(), 32);
}

TEST(PrefixCache, WhoHoldsMoreThanItsShareIsEvictedFirst) {
  Fixture f(16);
  const Blocks alice = f.leave("alice", count_up(4 * kBlock));
  for (int prompt = 0; prompt < 10; ++prompt) {
    f.cache.evict(4 - std::min(4, f.pool.free_count()));
    f.leave("bob", count_up(4 * kBlock, 1000 * (prompt + 1)));
  }
  EXPECT_EQ(f.reuse("alice", count_up(4 * kBlock + 1)), Reuse(4, 0)) << "bob's are younger, and he has three quarters";
  EXPECT_EQ(f.cache.held(), 16);
}

TEST(PrefixCache, OneThatIsAloneGetsTheBlocksOfThoseWhoAreGone) {
  Fixture f(16);
  f.leave("alice", count_up(4 * kBlock));
  const Tokens all = count_up(16 * kBlock, 1000);
  for (int call = 0; call <= static_cast<int>(PrefixCache::kRecentCalls); ++call) f.reuse("bob", all);
  f.leave("bob", count_up(12 * kBlock, 1000));
  for (int call = 0; call <= static_cast<int>(PrefixCache::kRecentCalls); ++call) f.reuse("bob", all);
  EXPECT_EQ(f.cache.evict(4), 4);
  EXPECT_EQ(f.reuse("bob", all).first, 12) << "alice's went first";
}

TEST(PrefixCache, KeepsItsOwnBlockAndLeavesTheCopyToTheSequence) {
  Fixture f;
  const Blocks first = f.allocate(3);
  const Blocks second = f.allocate(3);
  const Tokens shared = count_up(8);
  EXPECT_EQ(f.cache.insert("", join(shared, {50, 51, 52, 53}), first), 3);
  EXPECT_EQ(f.cache.insert("", join(shared, {60, 61, 62, 63}), second), 1);
  EXPECT_EQ(f.cache.held(), 4);
  EXPECT_EQ(f.pool.references(second[0]), 1);
  EXPECT_EQ(f.pool.references(second[2]), 2);
  f.release(first);
  EXPECT_EQ(f.cache.evictable(), 1);  // the second sequence's last block needs the first's two below it
  EXPECT_EQ(f.cache.evict(9), 1);
  const PrefixMatch found = f.cache.match("", join(shared, {60, 61, 62, 63, 0}));
  EXPECT_EQ(found.blocks, (Blocks{first[0], first[1], second[2]}));
  f.release(found);
  f.release(second);
  EXPECT_EQ(f.cache.evict(9), 3);
  EXPECT_EQ(f.pool.free_count(), 32);
}

TEST(PrefixCache, GrowsWithARunningSequence) {
  Fixture f;
  Blocks blocks = f.allocate(4);
  const auto first = [&](int count) { return Blocks(blocks.begin(), blocks.begin() + count); };
  EXPECT_EQ(f.cache.insert("", count_up(3), first(0)), 0);
  EXPECT_EQ(f.cache.insert("", count_up(7), first(1)), 1);
  EXPECT_EQ(f.cache.insert("", count_up(7), first(1)), 0);
  EXPECT_EQ(f.cache.insert("", count_up(16), first(2)), 1);
  EXPECT_EQ(f.cache.insert("", count_up(16), blocks), 2);
  EXPECT_EQ(f.reuse("", count_up(17)), Reuse(4, 0));
  EXPECT_EQ(f.cache.evictable(), 0);
  f.release(blocks);
  EXPECT_EQ(f.cache.evictable(), 4);
}

// What a finished answer ends with: a block that is not full, behind the full ones or alone.
TEST(PrefixCache, KeepsATailAsAPartialBlock) {
  Fixture f;
  const Tokens tokens = count_up(7);
  const Blocks blocks = f.allocate(2);
  EXPECT_EQ(f.cache.insert("", tokens, blocks), 2);
  f.release(blocks);
  EXPECT_EQ(f.pool.references(blocks[1]), 1);
  EXPECT_EQ(f.reuse("", join(tokens, {50, 51})), (std::pair{1, 3}));
  EXPECT_EQ(f.reuse("", join(count_up(6), {50, 51})), (std::pair{1, 2}));
  EXPECT_EQ(f.reuse("", tokens), (std::pair{1, 2}));  // one token is left to compute
  const Blocks alone = f.allocate(1);
  EXPECT_EQ(f.cache.insert("other", {Tokens{7, 8}}, alone), 1);
  f.release(alone);
  EXPECT_EQ(f.reuse("other", {7, 8, 9}), (std::pair{0, 2}));
  EXPECT_EQ(f.cache.evict(9), 3);
  EXPECT_EQ(f.pool.free_count(), f.pool.size());
}

TEST(PrefixCache, ATailGivesWayToALongerOneAndToAFullBlock) {
  Fixture f;
  const auto leave = [&](const Tokens& tokens) {
    const Blocks blocks = f.allocate((tokens.size() + kBlock - 1) / kBlock);
    f.cache.insert("", tokens, blocks);
    f.release(blocks);
  };
  leave(count_up(5));
  leave(count_up(7));
  EXPECT_EQ(f.cache.held(), 2);
  leave(count_up(6));  // known already
  EXPECT_EQ(f.cache.held(), 2);
  EXPECT_EQ(f.reuse("", join(count_up(7), {50})), (std::pair{1, 3}));
  leave(join(count_up(5), {60}));  // another way on
  EXPECT_EQ(f.cache.held(), 3);
  leave(count_up(8));
  EXPECT_EQ(f.cache.held(), 3);  // the full block instead of the tail it continues
  EXPECT_EQ(f.reuse("", join(count_up(8), {50})), (std::pair{2, 0}));
  EXPECT_EQ(f.reuse("", join(count_up(5), {60, 61})), (std::pair{1, 2}));
  EXPECT_EQ(f.cache.evict(9), 3);
  EXPECT_EQ(f.pool.free_count(), f.pool.size());
}

TEST(PrefixCache, ATailInUseIsNotReplaced) {
  Fixture f;
  const Blocks tail = f.allocate(1);
  f.cache.insert("", {Tokens{1, 2}}, tail);  // and keeps its reference
  const Blocks longer = f.allocate(1);
  f.cache.insert("", {Tokens{1, 2, 3}}, longer);
  EXPECT_EQ(f.cache.held(), 2);
  EXPECT_EQ(f.pool.references(tail[0]), 2);
  f.release(tail);
  f.release(longer);
  EXPECT_EQ(f.cache.evict(9), 2);
}

TEST(PrefixCache, EvictsTheLeastRecentlyUsedLeafFirst) {
  Fixture f;
  const Blocks a = f.leave("", count_up(8, 100));
  const Blocks b = f.leave("", count_up(8, 200));
  const Blocks c = f.leave("", count_up(4, 300));
  f.reuse("", count_up(9, 100));
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(f.cache.evict(1), 1);
    for (const Blocks* blocks : {&a, &b, &c}) {
      for (const int block : *blocks) {
        if (f.pool.references(block) == 0 && std::find(order.begin(), order.end(), block) == order.end()) {
          order.push_back(block);
        }
      }
    }
  }
  EXPECT_THAT(order, ElementsAre(b[1], b[0], c[0], a[1], a[0]));
  EXPECT_EQ(f.cache.stats().evicted_blocks, 5U);
  EXPECT_EQ(f.cache.evict(1), 0);
}

TEST(PrefixCache, InsertAndPartialReuseCountAsUse) {
  Fixture f;
  const Blocks a = f.leave("", count_up(4, 100));
  const Blocks b = f.leave("", count_up(4, 200));
  const Blocks c = f.leave("", count_up(4, 300));
  f.leave("", count_up(4, 100));  // known already
  EXPECT_EQ(f.reuse("", {200, 201, 0}), Reuse(0, 2));
  f.cache.peek("", count_up(5, 300));  // looking is not using
  f.cache.evict(1);
  EXPECT_EQ(f.pool.references(c[0]), 0);
  f.cache.evict(1);
  EXPECT_EQ(f.pool.references(a[0]), 0);
  EXPECT_EQ(f.pool.references(b[0]), 1);
}

TEST(PrefixCache, WhatALiveSequenceHoldsStays) {
  Fixture f;
  f.leave("", count_up(16));
  const PrefixMatch live = f.cache.match("", count_up(9));  // two blocks
  EXPECT_EQ(f.cache.evictable(), 2);
  const auto coverage = f.cache.peek("", count_up(17));
  EXPECT_EQ(coverage.blocks, 4);
  EXPECT_EQ(coverage.busy, 2);
  EXPECT_EQ(f.cache.evict(9), 2);
  EXPECT_EQ(f.reuse("", count_up(17)), Reuse(2, 0));
  f.release(live);
  EXPECT_EQ(f.cache.evict(9), 2);
}

TEST(PrefixCache, APartialMatchHoldsTheBlockUntilItIsCopied) {
  Fixture f;
  f.leave("", count_up(8));
  const PrefixMatch found = f.cache.match("", Tokens{0, 1, 2, 3, 4, 99, 99});
  EXPECT_EQ(f.cache.evict(9), 0);
  f.pool.release(found.partial->block);
  EXPECT_EQ(f.cache.evict(9), 1);
  f.release(found.blocks);
  EXPECT_EQ(f.cache.evict(9), 1);
}

TEST(PrefixCache, ClearForgetsAndTheDestructorToo) {
  BlockPool pool(8);
  const int live = *pool.allocate();
  {
    PrefixCache cache(pool, kBlock);
    cache.insert("a", count_up(4), Blocks{live});
    const int gone = *pool.allocate();
    cache.insert("b", count_up(4), Blocks{gone});
    pool.release(gone);
    cache.clear();
    EXPECT_EQ(cache.held(), 0);
    EXPECT_EQ(cache.evictable(), 0);
    EXPECT_EQ(pool.free_count(), 7);
    EXPECT_THAT(cache.match("a", count_up(9)).blocks, IsEmpty());
    EXPECT_EQ(cache.insert("a", count_up(4), Blocks{live}), 1);
  }
  EXPECT_EQ(pool.references(live), 1);
  pool.release(live);  // nobody observes any more
  EXPECT_EQ(pool.free_count(), 8);
}

TEST(PrefixCache, RefusesMisuse) {
  Fixture f;
  const Blocks blocks = f.allocate(2);
  f.cache.insert("", count_up(4), Blocks{blocks[0]});
  EXPECT_ERROR(f.cache.insert("", count_up(4, 50), Blocks{blocks[0]}), ErrorKind::internal,
               "prefix cache: block 0 is in the tree for other tokens");
  EXPECT_ERROR(f.cache.insert("x", count_up(8, 50), (Blocks{blocks[1], blocks[1]})), ErrorKind::internal,
               HasSubstr("other tokens"));
  EXPECT_ERROR(f.cache.insert("", count_up(4, 60), Blocks{7}), ErrorKind::internal, HasSubstr("which is free"));
  EXPECT_EQ(f.pool.references(blocks[0]), 2);
  EXPECT_ERROR(PrefixCache(f.pool, 0), ErrorKind::invalid_request, HasSubstr("got 0"));
}

TEST(PrefixCache, ALongSequenceAndManyEvictionsAreQuick) {
  constexpr int kBlocks = 100'000;
  BlockPool pool(kBlocks);
  PrefixCache cache(pool, 1);
  Blocks blocks;
  for (int i = 0; i < kBlocks; ++i) blocks.push_back(*pool.allocate());
  const Tokens tokens = count_up(kBlocks + 1);
  const auto start = std::chrono::steady_clock::now();
  cache.insert("", tokens, blocks);
  for (const int block : blocks) pool.release(block);
  for (int i = 0; i < 3; ++i) {
    PrefixMatch found = cache.match("", tokens);
    std::reverse(found.blocks.begin(), found.blocks.end());
    for (const int block : found.blocks) pool.release(block);
    EXPECT_EQ(cache.evictable(), kBlocks);
  }
  for (int i = 0; i < kBlocks / 2; ++i) cache.evict(1);
  EXPECT_EQ(pool.free_count(), kBlocks / 2);
  cache.clear();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));  // anything quadratic takes hours
}

// --- the oracle ---

class Oracle {
 public:
  explicit Oracle(const BlockPool& pool) : pool_(pool) {}

  struct Entry {
    std::string name_space;
    Tokens upto;
    int block;
    int used;
  };

  PrefixMatch match(const std::string& name_space, Tokens tokens) {
    ++clock_;
    if (count_of(name_space) > 0) used_[name_space] = clock_;
    PrefixMatch found;
    if (tokens.empty()) return found;
    tokens.pop_back();
    Tokens upto;
    while (Entry* entry =
               find(name_space,
                    Tokens(tokens.begin(),
                           tokens.begin() + std::min<std::ptrdiff_t>(std::ssize(tokens), std::ssize(upto) + kBlock)))) {
      upto = entry->upto;
      entry->used = clock_;
      found.blocks.push_back(entry->block);
      if (std::ssize(tokens) - std::ssize(upto) < kBlock) break;
    }
    int most = 0;
    for (Entry& entry : entries_) {
      if (entry.name_space != name_space || entry.upto.size() != upto.size() + kBlock) continue;
      std::size_t common = 0;
      while (common < std::min(tokens.size(), entry.upto.size()) && tokens[common] == entry.upto[common]) ++common;
      most = std::max(most, static_cast<int>(common) - static_cast<int>(upto.size()));
    }
    if (most > 0) found.partial = {-1, most};
    return found;
  }

  bool fits(const std::string& name_space, const PrefixMatch& found, const Tokens& tokens) {
    const auto entry =
        std::find_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.block == found.partial->block; });
    if (entry == entries_.end() || entry->name_space != name_space) return false;
    entry->used = clock_;
    const auto n = static_cast<std::ptrdiff_t>(found.blocks.size() * kBlock) + found.partial->tokens;
    return std::equal(tokens.begin(), tokens.begin() + n, entry->upto.begin());
  }

  void insert(const std::string& name_space, const Tokens& tokens, const Blocks& blocks) {
    ++clock_;
    for (std::size_t i = 0; i < blocks.size() && (i + 1) * kBlock <= tokens.size(); ++i) {
      const Tokens upto(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>((i + 1) * kBlock));
      Entry* entry = find(name_space, upto);
      if (entry == nullptr) entry = &entries_.emplace_back(Entry{name_space, upto, blocks[i], clock_});
      entry->used = used_[name_space] = clock_;
    }
  }

  int count_of(const std::string& name_space) const {
    return static_cast<int>(
        std::count_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return e.name_space == name_space; }));
  }
  bool has_more_than_its_share(const std::string& name_space) const {
    int recent = 0;
    for (const auto& [name, used] : used_) {
      recent += count_of(name) > 0 && clock_ - used <= static_cast<int>(PrefixCache::kRecentCalls) ? 1 : 0;
    }
    return count_of(name_space) > pool_.size() / std::max(1, recent);
  }
  bool goes_before(const Entry& a, const Entry& b) const {
    const bool a_first = has_more_than_its_share(a.name_space), b_first = has_more_than_its_share(b.name_space);
    return a_first != b_first ? a_first : a.used < b.used;
  }

  Blocks evict(int n) {
    Blocks freed;
    for (; n > 0; --n) {
      const Entry* oldest = nullptr;
      for (const Entry& entry : entries_) {
        const bool leaf =
            std::none_of(entries_.begin(), entries_.end(), [&](const Entry& e) { return below(e, entry); });
        if (leaf && pool_.references(entry.block) == 1 && (oldest == nullptr || goes_before(entry, *oldest))) {
          oldest = &entry;
        }
      }
      if (oldest == nullptr) break;
      freed.push_back(oldest->block);
      entries_.erase(entries_.begin() + (oldest - entries_.data()));
    }
    return freed;
  }

  int evictable() const {
    return static_cast<int>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& e) { return !busy(e); }));
  }
  bool busy(const Entry& entry) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return (&e == &entry || below(e, entry)) && pool_.references(e.block) > 1;
    });
  }
  PrefixCache::Coverage peek(const std::string& name_space, const Tokens& tokens) {
    PrefixCache::Coverage coverage;
    for (std::size_t end = kBlock; end < tokens.size(); end += kBlock) {
      const Entry* entry = find(name_space, Tokens(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end)));
      if (entry == nullptr) break;
      ++coverage.blocks;
      coverage.busy += busy(*entry) ? 1 : 0;
    }
    return coverage;
  }
  void clear() { entries_.clear(); }
  int held() const { return static_cast<int>(entries_.size()); }

 private:
  static bool below(const Entry& a, const Entry& b) {
    return a.name_space == b.name_space && a.upto.size() > b.upto.size() &&
           std::equal(b.upto.begin(), b.upto.end(), a.upto.begin());
  }
  Entry* find(const std::string& name_space, const Tokens& upto) {
    for (Entry& entry : entries_) {
      if (entry.name_space == name_space && entry.upto == upto) return &entry;
    }
    return nullptr;
  }

  const BlockPool& pool_;
  std::vector<Entry> entries_;
  std::map<std::string, int> used_;
  int clock_ = 0;
};

struct Sequence {
  std::string name_space;
  Tokens tokens;
  Blocks blocks;
};

// Random lives of sequences over a tiny alphabet, so that they meet often.
void compare_with_oracle(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return random() % n; };
  const int size = 8 + static_cast<int>(below(24));
  BlockPool pool(size);
  PrefixCache cache(pool, kBlock);
  Oracle oracle(pool);
  std::vector<Sequence> live;
  const auto let_go = [&](std::size_t i) {
    for (const int block : live[i].blocks) pool.release(block);
    live.erase(live.begin() + static_cast<std::ptrdiff_t>(i));
  };

  for (int step = 0; step < 400; ++step) {
    const auto action = below(10);
    if (action < 3 && live.size() < 5) {  // a request
      Sequence sequence{below(3) == 0 ? "b" : "a", {}, {}};
      for (auto n = below(30); n > 0; --n) sequence.tokens.push_back(static_cast<TokenId>(below(10) == 0));
      const auto coverage = cache.peek(sequence.name_space, sequence.tokens);
      const auto wanted_coverage = oracle.peek(sequence.name_space, sequence.tokens);
      ASSERT_EQ(coverage.blocks, wanted_coverage.blocks);
      ASSERT_EQ(coverage.busy, wanted_coverage.busy);
      const PrefixMatch wanted = oracle.match(sequence.name_space, sequence.tokens);
      const PrefixMatch found = cache.match(sequence.name_space, sequence.tokens);
      ASSERT_EQ(found.blocks, wanted.blocks);
      ASSERT_EQ(found.partial.has_value(), wanted.partial.has_value());
      if (found.partial) {
        ASSERT_EQ(found.partial->tokens, wanted.partial->tokens);
        ASSERT_TRUE(oracle.fits(sequence.name_space, found, sequence.tokens));
        pool.release(found.partial->block);
      }
      sequence.blocks = found.blocks;
      while (sequence.blocks.size() < (sequence.tokens.size() + kBlock - 1) / kBlock) {
        if (pool.free_count() == 0) {
          const Blocks freed = oracle.evict(1);  // first: it asks the pool who holds what
          ASSERT_EQ(cache.evict(1), std::ssize(freed));
          if (freed.empty()) break;
          ASSERT_EQ(pool.references(freed[0]), 0);
        }
        sequence.blocks.push_back(pool.allocate().value());
      }
      live.push_back(std::move(sequence));
    } else if (action < 6 && !live.empty()) {  // it has computed some
      const Sequence& sequence = live[below(live.size())];
      Tokens done = sequence.tokens;
      done.resize(std::min(done.size(), below(done.size() + 8)));
      const int before = oracle.held();
      oracle.insert(sequence.name_space, done, sequence.blocks);
      ASSERT_EQ(cache.insert(sequence.name_space, done,
                             std::span(sequence.blocks).first(std::min(sequence.blocks.size(), done.size() / kBlock))),
                oracle.held() - before);
    } else if (action < 8 && !live.empty()) {
      let_go(below(live.size()));
    } else if (action == 8) {
      const int n = static_cast<int>(below(4));
      const Blocks freed = oracle.evict(n);
      ASSERT_EQ(cache.evict(n), std::ssize(freed));
      for (const int block : freed) ASSERT_EQ(pool.references(block), 0);
    } else if (below(20) == 0) {
      cache.clear();
      oracle.clear();
    }
    ASSERT_EQ(cache.held(), oracle.held());
    ASSERT_EQ(cache.evictable(), oracle.evictable());
  }
  while (!live.empty()) let_go(0);
  ASSERT_EQ(cache.evictable(), cache.held());
  cache.evict(size);
  ASSERT_EQ(pool.free_count(), size);
  ASSERT_EQ(cache.held(), 0);
}

TEST(PrefixCache, AgreesWithTheOracle) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_NO_FATAL_FAILURE(compare_with_oracle(seed));
  }
}

}  // namespace
}  // namespace glimt
