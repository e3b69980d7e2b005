// The memory of all sequences: the rows of the latent cache, the owners of its blocks, and the prefixes that are known.
#pragma once

#include "cache/block_refs.h"
#include "cache/latent_pool.h"
#include "cache/prefix_cache.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace glimt {

// Where one sequence's rows are. Its blocks are released with it.
struct SequenceRows {
  BlockRefs blocks;
  int computed = 0;    // rows of the first so many tokens are there
  int mtp_rows = 0;    // those of the MTP layer that belong to positions up to this one
  int remembered = 0;  // rows that the prefix cache has from here already

  int room(int block_rows) const { return blocks.size() * block_rows - computed; }
};

// Full blocks that are held for a session file, beside the sequences.
struct HeldPrefix {
  std::vector<TokenId> tokens;
  BlockRefs blocks;  // block i holds the rows of tokens[i * kBlockRows …]
};

// Used by the thread that owns the model.
class CacheSpace {
 public:
  // keeps_mtp_rows: a prefix is of use only together with the rows of the MTP layer. Throws what LatentPool throws.
  CacheSpace(const PoolShape& shape, int blocks, bool keeps_mtp_rows);

  LatentPool& pool() { return pool_; }
  const PoolShape& shape() const { return pool_.shape(); }

  int blocks() const { return blocks_.size(); }
  int free_blocks() const { return blocks_.free_count(); }
  int cached_blocks() const { return prefixes_.held(); }
  int evictable_blocks() const { return prefixes_.evictable(); }
  int available_blocks() const { return free_blocks() + evictable_blocks(); }
  std::uint64_t evicted_blocks() const { return prefixes_.stats().evicted_blocks; }

  PrefixCache::Coverage peek(std::string_view name_space, std::span<const TokenId> tokens) const {
    return prefixes_.peek(name_space, tokens);
  }

  // Begins with what the prefix cache knows of the tokens: rows.computed of them are there then. The last one of these
  // is computed again where the MTP layer's row behind it needs its hidden state.
  void admit(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens);

  // Begins with nothing.
  void admit_anew(SequenceRows& rows) { rows = SequenceRows{BlockRefs(blocks_)}; }

  // Blocks for the first `count` rows. False, with some of them perhaps taken, when there are not enough.
  bool reserve(SequenceRows& rows, int count);

  // Lets others share the full blocks of a sequence that goes on. Not to remember something is no error: never throws.
  void remember(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens) noexcept;

  // Leaves all rows to the prefix cache and gives up the blocks.
  void leave(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens) noexcept;

  // Gives up the blocks; nothing is remembered.
  void drop(SequenceRows& rows) noexcept { rows = SequenceRows{}; }

  // The longest known beginning of the tokens in full blocks.
  HeldPrefix hold(std::string_view name_space, std::span<const TokenId> tokens);
  void read_block(const HeldPrefix& prefix, int i, std::span<std::byte> bytes) const;
  // Appends a block; false when there is none. `bytes`: shape().block_bytes() of them.
  bool append_block(HeldPrefix& prefix, std::span<const std::byte> bytes);
  // Remembers the tokens whose blocks were appended. Returns how many tokens these are.
  std::size_t remember(const HeldPrefix& prefix, std::string_view name_space);
  HeldPrefix hold_nothing() { return {{}, BlockRefs(blocks_)}; }

 private:
  std::optional<int> take_block();
  std::size_t rows_to_remember(const SequenceRows& rows) const;

  LatentPool pool_;
  BlockPool blocks_;
  PrefixCache prefixes_;
  bool keeps_mtp_rows_;
};

}  // namespace glimt
