#include "cache/block_pool.h"

#include "base/throws.h"

#include <algorithm>
#include <random>
#include <utility>

namespace glimt {
namespace {

using testing::HasSubstr;

TEST(BlockPool, GivesEachBlockOnceAndThenNone) {
  BlockPool pool(3);
  EXPECT_EQ(pool.size(), 3);
  EXPECT_EQ(pool.free_count(), 3);
  EXPECT_EQ(pool.allocate(), 0);
  EXPECT_EQ(pool.allocate(), 1);
  EXPECT_EQ(pool.allocate(), 2);
  EXPECT_EQ(pool.allocate(), std::nullopt);
  EXPECT_EQ(pool.free_count(), 0);
}

TEST(BlockPool, ABlockIsFreeWhenItsLastOwnerLetsGo) {
  BlockPool pool(1);
  const int block = *pool.allocate();
  pool.share(block);
  pool.share(block);
  EXPECT_EQ(pool.references(block), 3);
  pool.release(block);
  pool.release(block);
  EXPECT_EQ(pool.allocate(), std::nullopt);
  pool.release(block);
  EXPECT_EQ(pool.references(block), 0);
  EXPECT_EQ(pool.allocate(), block);
  EXPECT_EQ(pool.references(block), 1);
}

TEST(BlockPool, RefusesMisuse) {
  BlockPool pool(2);
  EXPECT_ERROR(pool.release(0), ErrorKind::internal, "block pool: release of block 0, which is free");
  EXPECT_ERROR(pool.share(1), ErrorKind::internal, "block pool: share of block 1, which is free");
  const int block = *pool.allocate();
  pool.release(block);
  EXPECT_ERROR(pool.release(block), ErrorKind::internal, HasSubstr("which is free"));
  EXPECT_ERROR(pool.references(2), ErrorKind::internal, "block pool: wanted a block below 2, got 2");
  EXPECT_ERROR(pool.share(-1), ErrorKind::internal, HasSubstr("got -1"));
  EXPECT_ERROR(pool.release(2), ErrorKind::internal, HasSubstr("got 2"));
  EXPECT_EQ(pool.free_count(), 2);
  EXPECT_ERROR(BlockPool(-1), ErrorKind::invalid_request, HasSubstr("got -1"));
  EXPECT_EQ(BlockPool(0).allocate(), std::nullopt);
}

TEST(BlockPool, TellsTheObserverOfEveryChangeAfterTheFact) {
  BlockPool pool(2);
  std::vector<std::pair<int, int>> seen;
  pool.observe([&](int block, int references) {
    EXPECT_EQ(pool.references(block), references);
    EXPECT_EQ(pool.free_count(), references == 0 ? 2 : 1);
    seen.emplace_back(block, references);
  });
  const int block = *pool.allocate();
  pool.share(block);
  pool.release(block);
  pool.release(block);
  EXPECT_EQ(seen, (std::vector<std::pair<int, int>>{{0, 2}, {0, 1}, {0, 0}}));
  pool.observe({});
  pool.release(*pool.allocate());
  EXPECT_EQ(seen.size(), 3U);
}

TEST(BlockPool, AgreesWithCountingByHand) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937 random(seed);
    const int size = 1 + static_cast<int>(random() % 9);
    BlockPool pool(size);
    std::vector<int> wanted(static_cast<std::size_t>(size), 0);
    for (int step = 0; step < 500; ++step) {
      const auto block = random() % wanted.size();
      switch (random() % 3) {
        case 0:
          if (const auto got = pool.allocate()) {
            ASSERT_EQ(std::exchange(wanted[static_cast<std::size_t>(*got)], 1), 0) << "given away twice";
          } else {
            ASSERT_EQ(std::count(wanted.begin(), wanted.end(), 0), 0);
          }
          break;
        case 1:
          if (wanted[block] > 0) pool.share(static_cast<int>(block)), ++wanted[block];
          break;
        default:
          if (wanted[block] > 0) pool.release(static_cast<int>(block)), --wanted[block];
      }
      for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_EQ(pool.references(static_cast<int>(i)), wanted[i]);
      ASSERT_EQ(pool.free_count(), std::count(wanted.begin(), wanted.end(), 0));
    }
  }
}

}  // namespace
}  // namespace glimt
