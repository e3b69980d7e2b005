// The rotary position embedding against its formulas, computed in double precision.
#include "model/rope.h"

#include "nn/near.h"

#include <cmath>
#include <numbers>

namespace glimt {
namespace {

// Pair j at position p turns by the angle p · frequencies[j].
std::vector<double> rotated(const mx::array& x, int offset, const std::vector<double>& frequencies, bool interleaved,
                            double magnitude = 1) {
  std::vector<double> v = values_of(x);
  const int dims = x.shape(3), length = x.shape(2);
  for (std::size_t row = 0; row < v.size() / static_cast<std::size_t>(dims); ++row) {
    const int position = offset + static_cast<int>(row) % length;
    for (int j = 0; j < dims / 2; ++j) {
      double& a = v[row * static_cast<std::size_t>(dims) + static_cast<std::size_t>(interleaved ? 2 * j : j)];
      double& b =
          v[row * static_cast<std::size_t>(dims) + static_cast<std::size_t>(interleaved ? 2 * j + 1 : j + dims / 2)];
      const double angle = position * frequencies[static_cast<std::size_t>(j)];
      const double turned = a * std::cos(angle) - b * std::sin(angle);
      b = (a * std::sin(angle) + b * std::cos(angle)) * magnitude;
      a = turned * magnitude;
    }
  }
  return v;
}

// x [B, H, L, dims], whose first row is at position `offset`.
mx::array rotate(const mx::array& x, const kernels::Rotary& rotary, int offset) {
  return mx::multiply(kernels::rotate(x, rotary, kernels::periods(rotary), mx::array(offset)),
                      mx::array(rotary.magnitude));
}

std::vector<double> plain_frequencies(int dims, double theta) {
  std::vector<double> f;
  for (int j = 0; j < dims / 2; ++j) f.push_back(std::pow(theta, -2.0 * j / dims));
  return f;
}

TEST(Rope, TurnsPairsByTheirPositionTimesTheirFrequency) {
  const mx::array x = random({2, 3, 5, 16});
  for (const bool interleaved : {true, false}) {
    for (const int offset : {0, 1, 77, 4000}) {
      SCOPED_TRACE(std::to_string(offset) + (interleaved ? " interleaved" : " halves"));
      const kernels::Rotary rotary = make_rotary(16, 1e6, interleaved, std::nullopt);
      // float32 knows an angle of thousands to about 1e-4
      expect_near(rotate(x, rotary, offset), rotated(x, offset, plain_frequencies(16, 1e6), interleaved),
                  2e-6 + 1e-6 * offset);
    }
  }
}

// Written from the paper: a pair that turns more than beta_fast times within the original context is kept, one that
// turns less than beta_slow times is slowed down by the factor, and a ramp over the pairs' numbers mixes the others.
std::vector<double> yarn_frequencies(int dims, double theta, const YarnScaling& yarn) {
  const auto pair_turning = [&](double times) {
    return dims * std::log(yarn.original_max_position_embeddings / (2 * std::numbers::pi * times)) /
           (2 * std::log(theta));
  };
  const double low = std::max(0.0, std::floor(pair_turning(yarn.beta_fast)));
  const double high = std::min(dims - 1.0, std::ceil(pair_turning(yarn.beta_slow)));
  std::vector<double> f = plain_frequencies(dims, theta);
  for (int j = 0; j < dims / 2; ++j) {
    const double slow = std::clamp((j - low) / std::max(high - low, 0.001), 0.0, 1.0);
    f[static_cast<std::size_t>(j)] *= (1 - slow) + slow / yarn.factor;
  }
  return f;
}

TEST(Rope, YarnSlowsDownSlowPairsAndScalesTheResult) {
  const mx::array x = random({1, 2, 7, 32});
  const YarnScaling all[] = {{.factor = 4, .original_max_position_embeddings = 128},
                             {.factor = 40, .mscale = 1.0, .mscale_all_dim = 1.0},
                             {.factor = 8,
                              .original_max_position_embeddings = 64,
                              .beta_fast = 16,
                              .beta_slow = 2,
                              .mscale = 0.7,
                              .mscale_all_dim = 0.3},
                             {.factor = 2, .original_max_position_embeddings = 8}};
  for (const YarnScaling& yarn : all) {
    SCOPED_TRACE(yarn.factor);
    const double magnitude = yarn.mscale == 0 ? 0.1 * std::log(yarn.factor) + 1
                                              : (0.1 * yarn.mscale * std::log(yarn.factor) + 1) /
                                                    (0.1 * yarn.mscale_all_dim * std::log(yarn.factor) + 1);
    const kernels::Rotary rotary = make_rotary(32, 10000, true, yarn);
    expect_near(rotate(x, rotary, 0), rotated(x, 0, yarn_frequencies(32, 10000, yarn), true, magnitude), 2e-6);
    expect_near(rotate(x, rotary, 300), rotated(x, 300, yarn_frequencies(32, 10000, yarn), true, magnitude), 3e-4);
  }
}

// Numbers of transformers 5.23, modeling_rope_utils._compute_yarn_parameters.
TEST(Rope, YarnIsThatOfTransformersWithEveryField) {
  const std::vector<double> whole = {1.0,           0.316227764,    0.078125,       0.0177878123,
                                     0.00343749998, 0.000395284733, 0.000125000006, 3.95284733e-05};
  const std::vector<double> not_truncated = {1.0,           0.316227764,    0.082965076,    0.0170441102,
                                             0.00248313323, 0.000395284733, 0.000125000006, 3.95284733e-05};
  const YarnScaling base{.factor = 8, .original_max_position_embeddings = 1024};
  const auto with = [&](auto&& change) {
    YarnScaling yarn = base;
    change(yarn);
    return yarn;
  };
  struct Case {
    YarnScaling yarn;
    std::vector<double> frequencies;
    double magnitude;
  };
  const Case cases[] = {
      {base, whole, 1.2079441541679836},
      {with([](YarnScaling& y) { y.truncate = false; }), not_truncated, 1.2079441541679836},
      {with([](YarnScaling& y) { y.attention_factor = 1.5; }), whole, 1.5},
      {with([](YarnScaling& y) { y.attention_factor = 1.5, y.mscale = 0.7, y.mscale_all_dim = 0.3; }), whole, 1.5},
      {with([](YarnScaling& y) { y.mscale = 0.7, y.mscale_all_dim = 0.3; }), whole, 1.0782934613857693},
      {with([](YarnScaling& y) { y.mscale = 0.7; }), whole, 1.2079441541679836},
      {with([](YarnScaling& y) { y.mscale_all_dim = 0.3; }), whole, 1.2079441541679836},
      {with([](YarnScaling& y) { y.factor = 1, y.attention_factor = 0.8; }), plain_frequencies(16, 10000), 0.8},
  };
  const mx::array x = random({1, 2, 7, 16});
  for (const Case& c : cases) {
    SCOPED_TRACE(&c - cases);
    const kernels::Rotary rotary = make_rotary(16, 10000, true, c.yarn);
    expect_near(rotate(x, rotary, 0), rotated(x, 0, c.frequencies, true, c.magnitude), 3e-6);
    expect_near(rotate(x, rotary, 300), rotated(x, 300, c.frequencies, true, c.magnitude), 3e-4);
  }
}

TEST(Rope, AYarnFactorOfOneChangesNothing) {
  const kernels::Rotary one = make_rotary(8, 1e4, true, YarnScaling{.factor = 1});
  EXPECT_EQ(one.frequencies, make_rotary(8, 1e4, true, std::nullopt).frequencies);
  EXPECT_EQ(one.magnitude, 1.0f);
  EXPECT_EQ(yarn_mscale(1, 1), 1);
  EXPECT_DOUBLE_EQ(yarn_mscale(40, 0.5), 0.05 * std::log(40.0) + 1);
}

TEST(Rope, RoundsFrequenciesToBfloat16WhenAskedTo) {
  std::vector<double> rounded;
  for (const double f : plain_frequencies(16, 1e6)) {
    const mx::array one = mx::astype(mx::astype(mx::array(static_cast<float>(f)), mx::bfloat16), mx::float32);
    rounded.push_back(static_cast<double>(mx::array(one).item<float>()));
  }
  const mx::array x = random({1, 2, 5, 16});
  expect_near(rotate(x, make_rotary(16, 1e6, true, std::nullopt, true), 50), rotated(x, 50, rounded, true), 1e-4);
}

}  // namespace
}  // namespace glimt
