#include "measure/logits_row.h"

#include "base/throws.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

namespace glimt {
namespace {

TEST(LogitsRow, LossIsTheLogOfTheProbability) {
  const std::array<float, 3> logits = {std::log(0.5f), std::log(0.25f), std::log(0.25f)};
  const LogitsRow row(logits);
  EXPECT_NEAR(row.loss(0), std::log(2.0), 1e-7);
  EXPECT_NEAR(row.loss(2), std::log(4.0), 1e-7);
  EXPECT_EQ(row.best(), 0);
}

TEST(LogitsRow, NothingOverflowsAndAShiftChangesNothing) {
  const std::array<float, 3> high = {1000, 1001, 1001}, low = {-1000, -999, -999};
  EXPECT_DOUBLE_EQ(LogitsRow(high).loss(1), LogitsRow(low).loss(1));
  EXPECT_NEAR(LogitsRow(high).divergence(LogitsRow(low)), 0, 1e-12);
  EXPECT_EQ(LogitsRow(high).best(), 1) << "the first of equals";
}

TEST(LogitsRow, DivergenceIsThatOfItsDefinition) {
  const std::array<float, 2> p = {std::log(3.0f), 0}, q = {0, 0};  // 3/4, 1/4 and 1/2, 1/2
  const double forward = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  const double backward = 0.5 * std::log(0.5 / 0.75) + 0.5 * std::log(0.5 / 0.25);
  EXPECT_NEAR(LogitsRow(p).divergence(LogitsRow(q)), forward, 1e-7);
  EXPECT_NEAR(LogitsRow(q).divergence(LogitsRow(p)), backward, 1e-7);
}

TEST(LogitsRow, EqualLogitsDivergeByExactlyNothing) {
  std::vector<float> logits(4096);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = 10 * std::sin(static_cast<float>(i * i));
  const std::vector<float> copy = logits;
  EXPECT_EQ(LogitsRow(logits).divergence(LogitsRow(copy)), 0.0);
}

// Half the variance of the change under P, for a small change: 1/2 · p · (1 - p) · e², p = 1/2.
TEST(LogitsRow, SmallDivergencesAreResolved) {
  const float e = std::ldexp(1.0f, -16);
  const std::array<float, 2> p = {0, 0}, q = {e, 0};
  const double wanted = double{e} * double{e} / 8;
  EXPECT_NEAR(LogitsRow(p).divergence(LogitsRow(q)), wanted, wanted * 1e-3);
}

TEST(LogitsRow, ValuesThatAreNoNumbersAreAnError) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  for (const float bad : {kNan, kInfinity}) {
    const std::array<float, 3> logits = {0, bad, 1};
    EXPECT_ERROR(LogitsRow(logits), ErrorKind::internal, testing::HasSubstr("no numbers"));
    const std::array<float, 2> first = {bad, 1};
    EXPECT_ERROR(LogitsRow(first), ErrorKind::internal, testing::HasSubstr("no numbers"));
  }
}

}  // namespace
}  // namespace glimt
