// The search for scales and biases: what it must never do, and what it gains.
#include "convert/packed.h"

#include <gtest/gtest.h>

#include <random>

namespace glimt::convert {
namespace {

constexpr std::size_t kValues = 64 * 1024;

std::vector<float> gaussian(float size, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, size);
  std::vector<float> values(kValues);
  for (float& value : values) value = normal(random);
  return rounded(values, Dtype::bf16);
}

std::vector<float> lognormal() {
  std::mt19937 random(5);
  std::lognormal_distribution<float> distribution(0, 1);
  std::vector<float> values(kValues);
  for (float& value : values) value = distribution(random);
  return values;
}

Packed searched(const Loops& loops, const Quantization& q, const std::vector<float>& values, const float* importance) {
  Packed packed = Packed::room_for(q, Dtype::bf16, values.size());
  loops.search(q, Dtype::bf16, values.data(), importance, values.size(), packed.parts());
  return packed;
}

// Sum of importance * error² of each group.
std::vector<double> losses(const Quantization& q, const std::vector<float>& values, const Packed& packed,
                           const float* importance) {
  const std::vector<float> result = decoded(loops(), q, Dtype::bf16, packed);
  const auto group = static_cast<std::size_t>(q.group_size);
  std::vector<double> all(values.size() / group);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double error = static_cast<double>(values[i]) - result[i];
    all[i / group] += (importance == nullptr ? 1 : importance[i]) * error * error;
  }
  return all;
}

double total(const std::vector<double>& all) {
  double sum = 0;
  for (const double one : all) sum += one;
  return sum;
}

TEST(Search, NeverLosesMoreInAnyGroup) {
  const std::vector<float> values = gaussian(0.02f), importance = lognormal();
  for (const Quantization& q : every_quantization()) {
    if (q.mode != QuantMode::affine) continue;
    for (const float* h : {static_cast<const float*>(nullptr), importance.data()}) {
      const auto plain = losses(q, values, quantized(loops(), q, Dtype::bf16, values), h);
      const auto found = losses(q, values, searched(loops(), q, values, h), h);
      for (std::size_t g = 0; g < plain.size(); ++g)
        ASSERT_LE(found[g], plain[g] * 1.0001) << q.bits << " bits, group " << g;
    }
  }
}

TEST(Search, GainsWhatItShould) {
  const std::vector<float> values = gaussian(0.02f), importance = lognormal();
  for (const int bits : {3, 4}) {
    const Quantization q{QuantMode::affine, bits, 64};
    const Packed plain = quantized(loops(), q, Dtype::bf16, values);
    EXPECT_LT(total(losses(q, values, searched(loops(), q, values, nullptr), nullptr)),
              0.87 * total(losses(q, values, plain, nullptr)));
    EXPECT_LT(total(losses(q, values, searched(loops(), q, values, importance.data()), importance.data())),
              0.78 * total(losses(q, values, plain, importance.data())));
  }
}

TEST(Search, GivesTheSameBitsOnEveryInstructionSet) {
  const std::vector<float> values = gaussian(0.02f), importance = lognormal();
  for (const int bits : {2, 3, 4, 6, 8}) {
    const Quantization q{QuantMode::affine, bits, 64};
    const Packed wanted = searched(*supported_loops().front(), q, values, importance.data());
    for (const Loops* loops : supported_loops()) {
      EXPECT_EQ(searched(*loops, q, values, importance.data()), wanted) << loops->name << " " << bits;
    }
  }
}

TEST(Search, ConstantAndZeroGroupsStayWhatTheyAre) {
  for (const float value : {0.0f, 0.5f, -0.7f, 1e-9f}) {
    const std::vector<float> values = rounded(std::vector<float>(128, value), Dtype::bf16);
    const Quantization q{QuantMode::affine, 4, 64};
    for (const float result : decoded(loops(), q, Dtype::bf16, searched(loops(), q, values, nullptr))) {
      EXPECT_NEAR(result, values[0], 1e-7f);
    }
  }
}

TEST(Search, GroupsWithoutImportanceAreStillQuantized) {
  const std::vector<float> values = gaussian(0.02f), none(kValues, 0.0f);
  const Quantization q{QuantMode::affine, 4, 64};
  EXPECT_LT(total(losses(q, values, searched(loops(), q, values, none.data()), nullptr)),
            1.2 * total(losses(q, values, quantized(loops(), q, Dtype::bf16, values), nullptr)));
}

}  // namespace
}  // namespace glimt::convert
