#include "engine/cache_space.h"

#include <algorithm>

namespace glimt {

using kernels::blocks_for;
using kernels::kBlockRows;

CacheSpace::CacheSpace(const PoolShape& shape, int blocks, bool keeps_mtp_rows)
    : pool_(shape, blocks), blocks_(blocks), prefixes_(blocks_, kBlockRows), keeps_mtp_rows_(keeps_mtp_rows) {}

void CacheSpace::admit(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens) {
  rows = SequenceRows{BlockRefs(blocks_)};
  PrefixMatch found = prefixes_.match(name_space, tokens);
  BlockRefs source(blocks_);  // the block whose first rows fit, too
  rows.blocks = BlockRefs(blocks_, std::move(found.blocks));
  int computed = rows.blocks.size() * kBlockRows;
  if (found.partial) {
    source.add(found.partial->block);
    computed += found.partial->tokens;
  } else if (keeps_mtp_rows_ && !rows.blocks.empty()) {
    // Rows will be written into its last block: it needs one of its own.
    source.add(rows.blocks.take_last());
  }
  if (!source.empty()) {
    const int copied = computed - rows.blocks.size() * kBlockRows;
    if (reserve(rows, computed)) {
      pool_.copy_rows(source.numbers().back(), rows.blocks.numbers().back(), copied);
    } else {
      computed -= copied;
    }
    if (keeps_mtp_rows_) computed = std::max(0, computed - 1);
  }
  rows.computed = computed;
  rows.mtp_rows = computed;
}

// A free block, or the one of a prefix that is in no use.
std::optional<int> CacheSpace::take_block() {
  const std::optional<int> block = blocks_.allocate();
  return block || prefixes_.evict(1) == 0 ? block : blocks_.allocate();
}

bool CacheSpace::reserve(SequenceRows& rows, int count) {
  while (rows.blocks.size() < blocks_for(count)) {
    const std::optional<int> block = take_block();
    if (!block) return false;
    rows.blocks.add(*block);
  }
  return true;
}

std::size_t CacheSpace::rows_to_remember(const SequenceRows& rows) const {
  return static_cast<std::size_t>(keeps_mtp_rows_ ? std::min(rows.computed, rows.mtp_rows + 1) : rows.computed);
}

void CacheSpace::remember(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens) noexcept {
  const std::size_t full = rows_to_remember(rows) / kBlockRows;
  const std::size_t count = full * kBlockRows;
  if (static_cast<int>(count) <= rows.remembered) return;
  try {
    prefixes_.insert(name_space, tokens.first(count), std::span(rows.blocks.numbers()).first(full));
    rows.remembered = static_cast<int>(count);
  } catch (...) {
  }
}

void CacheSpace::leave(SequenceRows& rows, std::string_view name_space, std::span<const TokenId> tokens) noexcept {
  const std::size_t count = rows_to_remember(rows);
  const auto filled = static_cast<std::size_t>(blocks_for(static_cast<int>(count)));
  try {
    prefixes_.insert(name_space, tokens.first(count), std::span(rows.blocks.numbers()).first(filled));
  } catch (...) {
  }
  drop(rows);
}

HeldPrefix CacheSpace::hold(std::string_view name_space, std::span<const TokenId> tokens) {
  // match() leaves the last token to compute; one more than asked for gives all full blocks.
  std::vector<TokenId> longer(tokens.begin(), tokens.end());
  longer.push_back(0);
  PrefixMatch found = prefixes_.match(name_space, longer);
  HeldPrefix held{{}, BlockRefs(blocks_, std::move(found.blocks))};
  if (found.partial) blocks_.release(found.partial->block);
  const auto known = static_cast<std::ptrdiff_t>(held.blocks.size()) * kBlockRows;
  held.tokens.assign(tokens.begin(), tokens.begin() + known);
  return held;
}

void CacheSpace::read_block(const HeldPrefix& prefix, int i, std::span<std::byte> bytes) const {
  pool_.read_block(prefix.blocks.numbers()[static_cast<std::size_t>(i)], bytes);
}

bool CacheSpace::append_block(HeldPrefix& prefix, std::span<const std::byte> bytes) {
  const std::optional<int> block = take_block();
  if (!block) return false;
  prefix.blocks.add(*block);
  pool_.write_block(*block, bytes);
  return true;
}

std::size_t CacheSpace::remember(const HeldPrefix& prefix, std::string_view name_space) {
  const auto tokens = static_cast<std::size_t>(prefix.blocks.size()) * kBlockRows;
  prefixes_.insert(name_space, std::span(prefix.tokens).first(tokens), prefix.blocks.numbers());
  return tokens;
}

}  // namespace glimt
