#include "cache/latent_pool.h"

#include "base/throws.h"
#include "kernels/ops.h"
#include "kernels/plain_ops.h"

#include <cstring>
#include <random>

namespace glimt {

namespace mx = mlx::core;

namespace {

using kernels::kBlockRows;
using kernels::RowType;
using testing::HasSubstr;

class LatentPoolTest : public testing::TestWithParam<const kernels::Ops*> {};

INSTANTIATE_TEST_SUITE_P(All, LatentPoolTest, testing::ValuesIn(kernels::all_ops()),
                         [](const auto& test) { return std::string(test.param->name); });

std::vector<std::byte> random_block(const PoolShape& shape, unsigned seed) {
  // Halves of small floats: no NaN, which need not survive a copy bit by bit.
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(shape.block_bytes());
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto half = static_cast<std::uint16_t>(0x3c00 + random() % 256);
    std::memcpy(bytes.data() + i, &half, sizeof half);
  }
  return bytes;
}

std::vector<std::byte> read(const LatentPool& pool, int block) {
  std::vector<std::byte> bytes(pool.shape().block_bytes());
  pool.read_block(block, bytes);
  return bytes;
}

TEST_P(LatentPoolTest, BlocksKeepWhatIsWrittenToThem) {
  for (const RowType type : {RowType::f32, RowType::bf16}) {
    const PoolShape shape{3, 10, type, GetParam()};
    LatentPool pool(shape, 4);
    for (int b = 0; b < 4; ++b) pool.write_block(b, random_block(shape, static_cast<unsigned>(b)));
    for (int b = 0; b < 4; ++b) EXPECT_EQ(read(pool, b), random_block(shape, static_cast<unsigned>(b))) << b;
  }
}

TEST_P(LatentPoolTest, CopiesTheFirstRowsOfABlockInAllLayers) {
  const PoolShape shape{2, 6, RowType::bf16, GetParam()};
  LatentPool pool(shape, 3);
  for (int b = 0; b < 3; ++b) pool.write_block(b, random_block(shape, static_cast<unsigned>(b)));
  pool.copy_rows(0, 2, 100);
  const std::vector<std::byte> from = random_block(shape, 0), before = random_block(shape, 2), after = read(pool, 2);
  const std::size_t layer = kBlockRows * 6 * 2, copied = std::size_t{100} * 6 * 2;
  for (std::size_t i = 0; i < after.size(); ++i) EXPECT_EQ(after[i], i % layer < copied ? from[i] : before[i]) << i;
  EXPECT_EQ(read(pool, 0), from);
  EXPECT_EQ(read(pool, 1), random_block(shape, 1));
}

// The pool may be most of a GPU's memory: a copy of some rows must not need a second one.
TEST_P(LatentPoolTest, CopiesRowsWithoutCopyingThePool) {
  const PoolShape shape{1, 64, RowType::bf16, GetParam()};
  LatentPool pool(shape, 64);
  pool.write_block(0, random_block(shape, 1));
  const std::size_t before = mx::get_active_memory();
  mx::reset_peak_memory();
  pool.copy_rows(0, 63, 100);
  EXPECT_LE(mx::get_peak_memory(), before + pool.nbytes() / 4);
}

TEST_P(LatentPoolTest, RefusesBytesOfAnotherSize) {
  LatentPool pool({1, 6, RowType::f32, GetParam()}, 1);
  std::vector<std::byte> bytes(7);
  EXPECT_ERROR(pool.write_block(0, bytes), ErrorKind::internal, HasSubstr("7 bytes"));
  EXPECT_ERROR(pool.read_block(0, bytes), ErrorKind::internal, HasSubstr("7 bytes"));
}

// GLM-4.7-Flash: 47 layers of 576 columns.
TEST(PoolShape, SaysWhatABlockTakes) {
  EXPECT_EQ((PoolShape{47, 576, RowType::bf16}.block_bytes()), std::size_t{54144} * kBlockRows);
  EXPECT_EQ((PoolShape{1, 576, RowType::f32}.block_bytes()), std::size_t{2304} * kBlockRows);
  EXPECT_EQ((PoolShape{1, 576, RowType::q8}.block_bytes()), std::size_t{576 + 9 * 4} * kBlockRows);
  EXPECT_EQ((PoolShape{1, 70, RowType::q8}.block_bytes()), std::size_t{72 + 2 * 4} * kBlockRows);
}

TEST(LatentPool, TakesMemoryOnlyForBlocksInUse) {
  LatentPool pool({47, 576, RowType::bf16}, 20000);  // 139 GB
  EXPECT_GT(pool.nbytes(), std::size_t{100} << 30);
  pool.write_block(19999, std::vector<std::byte>(pool.shape().block_bytes(), std::byte{1}));
  EXPECT_EQ(read(pool, 19999)[0], std::byte{1});
}

TEST(LatentPool, EightBitRowsNeedOurKernels) {
  EXPECT_ERROR(LatentPool({1, 6, RowType::q8, &kernels::plain_ops()}, 1), ErrorKind::unsupported, HasSubstr("q8"));
}

TEST(UniformCache, StepsThroughItsOwnBlocks) {
  UniformCache cache({1, 6, RowType::f32}, 2, 300);
  EXPECT_EQ(cache.pool().blocks(), 6);
  const kernels::StepPtr first = cache.extend(10), second = cache.extend(1);
  ASSERT_EQ(second->size(), 2u);
  EXPECT_EQ((*first)[0].position, 0);
  EXPECT_EQ((*second)[1].position, 10);
  EXPECT_EQ((*second)[1].length, 1);
  EXPECT_EQ((*second)[0].blocks, (std::vector<int>{0, 1, 2}));
  EXPECT_EQ((*second)[1].blocks, (std::vector<int>{3, 4, 5}));
  cache.trim(5);
  EXPECT_EQ((*cache.extend(2))[0].position, 5);
  EXPECT_EQ((*UniformCache({1, 6, RowType::f32}, 1, 128, 1).extend(128))[0].blocks.size(), 2u);
}

TEST(UniformCache, RefusesMoreThanItHolds) {
  UniformCache cache({1, 6, RowType::f32}, 1, 20);
  EXPECT_ERROR(cache.extend(21), ErrorKind::internal, HasSubstr("do not fit 20"));
  EXPECT_ERROR(cache.extend(0), ErrorKind::internal, HasSubstr("UniformCache"));
  cache.extend(20);
  EXPECT_ERROR(cache.extend(1), ErrorKind::internal, HasSubstr("behind 20"));
  EXPECT_ERROR(cache.trim(21), ErrorKind::internal, HasSubstr("20 rows to 21"));
}

}  // namespace
}  // namespace glimt
