// The CUDA kernel of the router, emulated on the CPU, against a sort.
#include "kernels/cuda/emulate.h"

#include "kernels/cuda/route.cu"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace {

struct Routed {
  std::vector<unsigned> indices;
  std::vector<float> scores;
};

Routed routed(const std::vector<float>& logits, const std::vector<float>& bias, int top_k, bool normalize,
              float scale) {
  const int experts = static_cast<int>(bias.size()), tokens = static_cast<int>(logits.size() / bias.size());
  const std::size_t picks = static_cast<std::size_t>(tokens * top_k);
  Routed result{std::vector<unsigned>(picks, 77777), std::vector<float>(picks, std::nanf(""))};
  emulate::launch({static_cast<unsigned>(tokens), 1, 1}, {32, 1, 1}, [&] {
    route(logits.data(), bias.data(), result.indices.data(), result.scores.data(), experts, top_k, normalize, scale);
  });
  return result;
}

float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

void expect_definition(int tokens, int experts, int top_k, bool normalize, unsigned seed, float step) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  // Rounded values are equal now and then.
  const auto value = [&] { return std::round(normal(random) / step) * step; };
  std::vector<float> logits(static_cast<std::size_t>(tokens * experts)), bias(static_cast<std::size_t>(experts));
  std::generate(logits.begin(), logits.end(), value);
  std::generate(bias.begin(), bias.end(), [&] { return value() / 8; });
  const Routed got = routed(logits, bias, top_k, normalize, 1.8F);
  for (int t = 0; t < tokens; ++t) {
    const float* own = &logits[static_cast<std::size_t>(t * experts)];
    std::vector<unsigned> order(static_cast<std::size_t>(experts));
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](unsigned a, unsigned b) { return sigmoid(own[a]) + bias[a] > sigmoid(own[b]) + bias[b]; });
    double sum = 0;
    for (int k = 0; k < top_k; ++k) sum += double{sigmoid(own[order[static_cast<std::size_t>(k)]])};
    for (int k = 0; k < top_k; ++k) {
      const std::size_t at = static_cast<std::size_t>(t * top_k + k);
      const unsigned expert = order[static_cast<std::size_t>(k)];
      ASSERT_EQ(got.indices[at], expert) << "token " << t << ", pick " << k;
      EXPECT_NEAR(got.scores[at], double{sigmoid(own[expert])} * 1.8 / (normalize && top_k > 1 ? sum : 1), 1e-6);
    }
  }
}

TEST(CudaRoute, PicksTheLargestInOrder) {
  expect_definition(5, 64, 4, true, 1, 1e-4F);
  expect_definition(3, 7, 3, false, 2, 1e-4F);
  expect_definition(2, 256, 8, true, 3, 1e-4F);
  expect_definition(1, 70, 40, true, 4, 1e-4F);
  expect_definition(1, 5, 1, true, 5, 1e-4F);
}

TEST(CudaRoute, PicksTheLowerOfEqualExperts) {
  expect_definition(6, 64, 6, true, 6, 1.0F);
  expect_definition(6, 40, 40, true, 7, 1.0F);
}

TEST(CudaRoute, PicksDifferentExpertsOfNumbersThatAreNone) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Routed got = routed(std::vector<float>(64, nan), std::vector<float>(64, 0), 4, true, 1);
  std::sort(got.indices.begin(), got.indices.end());
  EXPECT_LT(got.indices.back(), 64U);
  EXPECT_EQ(std::unique(got.indices.begin(), got.indices.end()), got.indices.end());
}

}  // namespace
