#include "cache/latent_cache.h"

#include "base/throws.h"

namespace glimt {
namespace {

using testing::HasSubstr;

constexpr int kWidth = 6;

// Rows [B, count, kWidth] whose values say where they belong: never equal for two positions or batches.
mx::array rows(int from, int count, int batch = 2) {
  const mx::array position = mx::reshape(mx::arange(from, from + count, mx::float32), {1, count, 1});
  const mx::array row =
      mx::reshape(mx::multiply(mx::arange(0, batch, mx::float32), mx::array(10000.0f)), {batch, 1, 1});
  const mx::array column =
      mx::reshape(mx::multiply(mx::arange(0, kWidth, mx::float32), mx::array(0.125f)), {1, 1, kWidth});
  return mx::add(mx::add(position, row), column);
}

void expect_rows(const mx::array& got, int count, int batch = 2) {
  EXPECT_EQ(got.shape(), (mx::Shape{batch, count, kWidth}));
  EXPECT_TRUE(mx::array_equal(got, rows(0, count, batch)).item<bool>());
}

TEST(LatentCache, ReturnsAllRowsSoFarHoweverTheyCame) {
  constexpr int kTotal = 3 * LatentCache::kStep + 5;
  for (const int chunk : {1, 7, LatentCache::kStep - 1, LatentCache::kStep, LatentCache::kStep + 1, kTotal}) {
    SCOPED_TRACE(chunk);
    LatentCache cache(kWidth, mx::float32);
    for (int done = 0; done < kTotal; done += chunk) {
      const int count = std::min(chunk, kTotal - done);
      const mx::array all = cache.append(rows(done, count));
      mx::eval(all);
      ASSERT_EQ(cache.length(), done + count);
      if (chunk > 1 || done % 100 == 0) expect_rows(all, done + count);
    }
  }
}

TEST(LatentCache, GrowsByWholeStepsOnly) {
  LatentCache cache(kWidth, mx::bfloat16);
  EXPECT_EQ(cache.nbytes(), 0u);
  EXPECT_FALSE(cache.storage().has_value());
  const std::size_t step = std::size_t{2} * LatentCache::kStep * kWidth * 2;
  mx::eval(cache.append(rows(0, 1)));
  EXPECT_EQ(cache.nbytes(), step);
  mx::eval(cache.append(rows(1, LatentCache::kStep - 1)));
  EXPECT_EQ(cache.nbytes(), step);
  mx::eval(cache.append(rows(LatentCache::kStep, 1)));
  EXPECT_EQ(cache.nbytes(), 2 * step);
  cache.trim(0);
  EXPECT_EQ(cache.nbytes(), 2 * step);  // kept for the next prompt
}

TEST(LatentCache, AppendsInPlaceBetweenGrowths) {
  LatentCache cache(kWidth, mx::float32);
  mx::eval(cache.append(rows(0, 3)));
  mx::eval(*cache.storage());
  const float* first = cache.storage()->data<float>();
  for (int i = 3; i < 20; ++i) {
    mx::eval(mx::sum(cache.append(rows(i, 1))));
    EXPECT_EQ(cache.storage()->data<float>(), first) << i;
  }
}

// A position reads the same whether it came with this call or an earlier one: rounded to the cache's dtype at once.
TEST(LatentCache, RoundsRowsWhenTheyCome) {
  LatentCache cache(kWidth, mx::bfloat16);
  const mx::array fine = mx::add(rows(0, 4), mx::array(0.001f));
  const mx::array now = mx::astype(cache.append(fine), mx::float32);
  mx::eval(now);
  const mx::array later = mx::astype(mx::slice(cache.append(rows(4, 1)), {0, 0, 0}, {2, 4, kWidth}), mx::float32);
  EXPECT_EQ(cache.storage()->dtype(), mx::bfloat16);
  EXPECT_TRUE(mx::array_equal(now, mx::astype(mx::astype(fine, mx::bfloat16), mx::float32)).item<bool>());
  EXPECT_TRUE(mx::array_equal(now, later).item<bool>());
}

TEST(LatentCache, ForgetsTrimmedRows) {
  LatentCache cache(kWidth, mx::float32);
  mx::eval(cache.append(rows(0, 5)));
  mx::eval(cache.append(mx::negative(rows(5, LatentCache::kStep))));  // wrong ones
  cache.trim(5);
  EXPECT_EQ(cache.length(), 5);
  expect_rows(cache.append(rows(5, 2)), 7);
  cache.trim(7);  // nothing
  cache.trim(0);
  expect_rows(cache.append(rows(0, 3)), 3);
}

TEST(LatentCache, RowsThatWereReturnedDoNotChangeLater) {
  LatentCache cache(kWidth, mx::float32);
  const mx::array before = cache.append(rows(0, 5));
  mx::eval(before);
  cache.trim(2);
  mx::eval(cache.append(mx::negative(rows(2, 9))));
  expect_rows(before, 5);
}

TEST(LatentCache, RefusesToTrimToMoreThanThereIs) {
  LatentCache cache(kWidth, mx::float32);
  EXPECT_ERROR(cache.trim(1), ErrorKind::internal, HasSubstr("LatentCache"));
  mx::eval(cache.append(rows(0, 5)));
  EXPECT_ERROR(cache.trim(6), ErrorKind::internal, HasSubstr("5 rows to 6"));
  EXPECT_ERROR(cache.trim(-1), ErrorKind::internal, HasSubstr("-1"));
  EXPECT_EQ(cache.length(), 5);
}

TEST(LatentCache, TakesAnotherBatchOnlyWhenItIsEmpty) {
  LatentCache cache(kWidth, mx::float32);
  mx::eval(cache.append(rows(0, 5)));
  EXPECT_ERROR(cache.append(rows(5, 1, 3)), ErrorKind::internal, HasSubstr("batch of 2, got 3"));
  expect_rows(cache.append(rows(5, 1)), 6);
  cache.trim(0);
  expect_rows(cache.append(rows(0, 4, 3)), 4, 3);
}

TEST(LatentCache, CopiesAreIndependent) {
  LatentCache cache(kWidth, mx::float32);
  mx::eval(cache.append(rows(0, 5)));
  LatentCache copy = cache;
  mx::eval(cache.append(mx::negative(rows(5, 2))));
  expect_rows(copy.append(rows(5, 2)), 7);
}

}  // namespace
}  // namespace glimt
