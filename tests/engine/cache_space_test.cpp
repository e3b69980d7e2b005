// Blocks and rows of sequences without a model: what is taken is given back, and rows go where their tokens are.
#include "engine/cache_space.h"

#include "base/throws.h"

#include <cstring>
#include <numeric>

namespace glimt {
namespace {

constexpr int kRows = kernels::kBlockRows;
const PoolShape kShape{.layers = 2, .width = 4, .type = kernels::RowType::f32};

std::vector<TokenId> count_up(int n, TokenId from = 0) {
  std::vector<TokenId> tokens(static_cast<std::size_t>(n));
  std::iota(tokens.begin(), tokens.end(), from);
  return tokens;
}

void expect_clean(const CacheSpace& cache) {
  EXPECT_EQ(cache.free_blocks() + cache.cached_blocks(), cache.blocks());
  EXPECT_EQ(cache.evictable_blocks(), cache.cached_blocks());
}

// A sequence that has computed all of its tokens.
SequenceRows computed(CacheSpace& cache, std::span<const TokenId> tokens, std::string_view name_space = {}) {
  SequenceRows rows;
  cache.admit(rows, name_space, tokens);
  EXPECT_TRUE(cache.reserve(rows, static_cast<int>(tokens.size())));
  rows.computed = rows.mtp_rows = static_cast<int>(tokens.size());
  return rows;
}

TEST(CacheSpace, GivesBackTheBlocksOfASequenceHoweverItEnds) {
  CacheSpace cache(kShape, 8, false);
  const auto tokens = count_up(300);
  {
    SequenceRows rows = computed(cache, tokens);
    EXPECT_EQ(cache.free_blocks(), 5);
  }
  EXPECT_EQ(cache.free_blocks(), 8);
  SequenceRows rows = computed(cache, tokens);
  cache.drop(rows);
  EXPECT_EQ(cache.cached_blocks(), 0);
  rows = computed(cache, tokens);
  cache.leave(rows, "", tokens);
  EXPECT_EQ(cache.cached_blocks(), 3);
  EXPECT_TRUE(rows.blocks.empty());
  expect_clean(cache);
}

TEST(CacheSpace, ReserveTakesWhatIsFreeThenWhatIsInNoUse) {
  CacheSpace cache(kShape, 4, false);
  const auto tokens = count_up(3 * kRows);
  SequenceRows rows = computed(cache, tokens);
  cache.leave(rows, "", tokens);
  SequenceRows other;
  cache.admit(other, "", count_up(10, 1000));
  EXPECT_TRUE(cache.reserve(other, 4 * kRows));
  EXPECT_EQ(cache.cached_blocks(), 0);
  EXPECT_FALSE(cache.reserve(other, 4 * kRows + 1));
  EXPECT_EQ(other.blocks.size(), 4);
  cache.drop(other);
  expect_clean(cache);
}

// The rows of a block that fits in part are copied; its owner's stay as they are.
TEST(CacheSpace, ABeginningIsTakenToTheToken) {
  CacheSpace cache(kShape, 8, false);
  auto tokens = count_up(200);
  SequenceRows rows = computed(cache, tokens);
  std::vector<std::byte> block(kShape.block_bytes());
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<std::byte>(i % 97);
  cache.pool().write_block(rows.blocks.numbers()[1], block);
  cache.leave(rows, "", tokens);
  tokens[150] = -1;
  cache.admit(rows, "", tokens);
  EXPECT_EQ(rows.computed, 150);
  ASSERT_EQ(rows.blocks.size(), 2);
  std::vector<std::byte> copy(kShape.block_bytes());
  cache.pool().read_block(rows.blocks.numbers()[1], copy);
  const std::size_t layer = kShape.block_bytes() / 2, known = 22 * 4 * sizeof(float);
  for (const std::size_t at : {std::size_t{0}, layer}) {
    EXPECT_EQ(std::memcmp(copy.data() + at, block.data() + at, known), 0);
  }
  cache.drop(rows);
  expect_clean(cache);
}

TEST(CacheSpace, WithMtpRowsTheLastTokenIsComputedAgain) {
  CacheSpace cache(kShape, 8, true);
  const auto tokens = count_up(2 * kRows + 1);
  SequenceRows rows = computed(cache, tokens);
  cache.leave(rows, "", tokens);
  cache.admit(rows, "", tokens);
  EXPECT_EQ(rows.computed, 2 * kRows - 1);
  EXPECT_EQ(rows.mtp_rows, rows.computed);
  cache.drop(rows);
  // Rows without those of the MTP layer are of no use.
  const auto others = count_up(2 * kRows, 5000);
  rows = computed(cache, others);
  rows.mtp_rows = 40;
  cache.leave(rows, "", others);
  cache.admit(rows, "", others);
  EXPECT_EQ(rows.computed, 40);
  cache.drop(rows);
  expect_clean(cache);
}

TEST(CacheSpace, SharesFullBlocksOfASequenceThatGoesOn) {
  CacheSpace cache(kShape, 8, false);
  const auto tokens = count_up(2 * kRows + 40);
  SequenceRows rows = computed(cache, tokens);
  cache.remember(rows, "", tokens);
  EXPECT_EQ(cache.cached_blocks(), 2);
  EXPECT_EQ(cache.evictable_blocks(), 0);
  SequenceRows other;
  cache.admit(other, "", tokens);
  EXPECT_EQ(other.computed, 2 * kRows);
  EXPECT_EQ(cache.free_blocks(), 5);
  cache.drop(rows);
  cache.drop(other);
  expect_clean(cache);
}

TEST(CacheSpace, AHeldPrefixCannotBeEvictedAndGoesWithItsHolder) {
  CacheSpace cache(kShape, 4, false);
  const auto tokens = count_up(2 * kRows + 5);
  SequenceRows rows = computed(cache, tokens);
  cache.leave(rows, "", tokens);
  {
    const HeldPrefix held = cache.hold("", tokens);
    EXPECT_EQ(held.tokens.size(), 2u * kRows);
    EXPECT_EQ(cache.evictable_blocks(), 1);
    EXPECT_TRUE(cache.hold("other", tokens).blocks.empty());
  }
  EXPECT_EQ(cache.evictable_blocks(), 3);
  {
    HeldPrefix filled = cache.hold_nothing();
    filled.tokens = count_up(8 * kRows, 9000);
    const std::vector<std::byte> bytes(kShape.block_bytes());
    int taken = 0;
    while (cache.append_block(filled, bytes)) ++taken;
    EXPECT_EQ(taken, 4);
  }
  EXPECT_EQ(cache.free_blocks(), 4);
  {
    HeldPrefix filled = cache.hold_nothing();
    const std::vector<std::byte> few(8);
    EXPECT_ERROR(cache.append_block(filled, few), ErrorKind::internal, testing::_);
  }
  EXPECT_EQ(cache.free_blocks(), 4);
  expect_clean(cache);
}

}  // namespace
}  // namespace glimt
