#include "measure/statistics.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <initializer_list>

namespace glimt {
namespace {

WindowedMean mean_of(std::initializer_list<std::initializer_list<double>> windows) {
  WindowedMean mean;
  for (const auto& window : windows) {
    for (const double value : window) mean.add(value);
    mean.end_window();
  }
  return mean;
}

TEST(WindowedMean, WithWindowsOfOneTokenItIsTheUsualStandardError) {
  const Estimate estimate = mean_of({{1}, {2}, {3}, {6}}).estimate();
  EXPECT_DOUBLE_EQ(estimate.value, 3);
  EXPECT_DOUBLE_EQ(estimate.error.value(), std::sqrt(14.0 / 3 / 4));  // variance 14 / 3 of four values
}

TEST(WindowedMean, TokensOfAWindowDoNotCountAsIndependent) {
  const Estimate alone = mean_of({{1}, {3}}).estimate();
  const Estimate repeated = mean_of({{1, 1, 1, 1}, {3, 3, 3, 3}}).estimate();
  EXPECT_DOUBLE_EQ(repeated.value, alone.value);
  EXPECT_DOUBLE_EQ(repeated.error.value(), alone.error.value());
}

// Sums 3, 4, 9 of 2, 1, 3 tokens: mean 16 / 6, deviations -7 / 3, 4 / 3, 1.
TEST(WindowedMean, WindowsMayDifferInLength) {
  const WindowedMean mean = mean_of({{1, 2}, {4}, {}, {2, 3, 4}});
  EXPECT_EQ(mean.count(), 6u);
  EXPECT_EQ(mean.windows(), 3u);
  EXPECT_DOUBLE_EQ(mean.estimate().value, 16.0 / 6);
  EXPECT_DOUBLE_EQ(mean.estimate().error.value(), std::sqrt(3.0 / 2 * (49 + 16 + 9) / 9) / 6);
}

TEST(WindowedMean, OneWindowHasNoError) {
  const Estimate estimate = mean_of({{1, 2, 3}}).estimate();
  EXPECT_DOUBLE_EQ(estimate.value, 2);
  EXPECT_FALSE(estimate.error.has_value());
}

TEST(Quantile, IsLinearBetweenNeighbours) {  // numpy.quantile([1, 2, 4, 8], …)
  constexpr std::array<double, 4> kSorted = {1, 2, 4, 8};
  EXPECT_DOUBLE_EQ(quantile(kSorted, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(kSorted, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile(kSorted, 0.99), 7.88);
  EXPECT_DOUBLE_EQ(quantile(kSorted, 1), 8);
  EXPECT_DOUBLE_EQ(quantile(std::array<double, 1>{5}, 0.99), 5);
}

}  // namespace
}  // namespace glimt
