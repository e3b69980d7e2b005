#include "convert/input_moments.h"

#include <gtest/gtest.h>

#include <vector>

namespace glimt::convert {
namespace {

void add(InputMoments& moments, std::size_t index, std::size_t rows, std::vector<float> squares) {
  moments.add("matrix", index, rows, squares);
}

TEST(InputMoments, AreMeanSquaresRelativeToTheirMean) {
  InputMoments moments;
  add(moments, 0, 3, {1, 5});
  add(moments, 0, 1, {1, 1});
  const Importance importance = moments.importance_of("matrix", 1);
  EXPECT_EQ(importance.values, (std::vector<float>{0.5f, 1.5f}));
}

TEST(InputMoments, FewRowsOfAnExpertAreMixedWithThoseOfTheOthers) {
  InputMoments moments;
  add(moments, 0, 992, {992, 992 * 3});  // means 1 and 3
  add(moments, 2, 32, {32 * 3, 32});     // means 3 and 1
  const Importance importance = moments.importance_of("matrix", 3);
  ASSERT_EQ(importance.values.size(), 6u);
  const double first = (992.0 + 96) / 1024, second = (992.0 * 3 + 32) / 1024;  // of all rows
  const auto expect_mean = [&](std::size_t index, double own_rows, double a, double b) {
    const double k = InputMoments::kSharedRows;
    EXPECT_NEAR(importance.of(index)[0], (own_rows * a + k * first) / (own_rows + k) / 2, 1e-6) << index;
    EXPECT_NEAR(importance.of(index)[1], (own_rows * b + k * second) / (own_rows + k) / 2, 1e-6) << index;
  };
  expect_mean(0, 992, 1, 3);
  expect_mean(1, 0, 0, 0);  // no token came to it
  expect_mean(2, 32, 3, 1);
}

TEST(InputMoments, AChannelThatWasNeverUsedCountsALittle) {
  InputMoments moments;
  add(moments, 0, 10, {0, 20});
  EXPECT_FLOAT_EQ(moments.importance_of("matrix", 1).values[0], static_cast<float>(InputMoments::kLeastShare));
}

TEST(InputMoments, NothingSeenIsNothingKnown) {
  InputMoments moments;
  EXPECT_TRUE(moments.importance_of("matrix", 4).values.empty());
  add(moments, 0, 0, {0, 0});
  EXPECT_TRUE(moments.importance_of("matrix", 4).values.empty());
  add(moments, 1, 5, {0, 0});
  EXPECT_TRUE(moments.importance_of("matrix", 4).values.empty());
}

}  // namespace
}  // namespace glimt::convert
