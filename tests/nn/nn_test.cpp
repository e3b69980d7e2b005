// The layers against their formulas, computed in double precision.
#include "nn/layers.h"

#include "kernels/ops.h"
#include "nn/linear.h"
#include "nn/near.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glimt {
namespace {

TEST(RmsNorm, DividesByTheRootMeanSquare) {
  for (const float eps : {1e-5f, 0.5f}) {
    for (const float size : {1e-4f, 1.0f, 1e4f}) {
      const mx::array x = mx::multiply(random({3, 5, 37}), mx::array(size)), weight = random({37}, 1);
      std::vector<double> wanted = values_of(x);
      const std::vector<double> w = values_of(weight);
      for (std::size_t row = 0; row < 15; ++row) {
        double squares = 0;
        for (std::size_t i = 0; i < 37; ++i) squares += wanted[row * 37 + i] * wanted[row * 37 + i];
        for (std::size_t i = 0; i < 37; ++i)
          wanted[row * 37 + i] *= w[i] / std::sqrt(squares / 37 + static_cast<double>(eps));
      }
      expect_near(RmsNorm(kernels::Device(kernels::cpu_ops(), true), weight, eps)(x), wanted, 1e-5);
    }
  }
}

// Every way a table or matrix may be stored, with the values that MLX says it has.
std::vector<std::pair<std::string, WeightPtr>> stored_tables(int rows, int columns) {
  std::vector<std::pair<std::string, WeightPtr>> all;
  const mx::array values = random({rows, columns}, 7);
  for (const mx::Dtype dtype : {mx::float32, mx::float16, mx::bfloat16}) {
    const mx::array stored = mx::astype(values, dtype);
    mx::eval(stored);
    all.emplace_back("float", std::make_shared<const Weight>(Weight{0, rows, columns, stored, std::nullopt,
                                                                    std::nullopt, std::nullopt, std::nullopt}));
  }
  std::vector<Quantization> modes = {{QuantMode::mxfp4, 4, 32}, {QuantMode::mxfp8, 8, 32}, {QuantMode::nvfp4, 4, 16}};
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) modes.push_back({QuantMode::affine, bits, group});
  }
  for (const Quantization& q : modes) {
    all.emplace_back(q.mode_name() + std::to_string(q.bits) + "g" + std::to_string(q.group_size),
                     std::make_shared<const Weight>(quantize(values, q)));
  }
  for (const int factors : {1, rows}) {
    Weight scaled = quantize(values, {QuantMode::nvfp4, 4, 16});
    scaled.global_scale = mx::add(mx::abs(random({factors}, 8)), mx::array(0.1f));
    mx::eval(*scaled.global_scale);
    all.emplace_back("nvfp4 with " + std::to_string(factors) + " global scales",
                     std::make_shared<const Weight>(scaled));
  }
  return all;
}

class Devices : public testing::TestWithParam<const kernels::Ops*> {
 protected:
  const kernels::Device device_{*GetParam(), true};
};

INSTANTIATE_TEST_SUITE_P(All, Devices, testing::ValuesIn(kernels::all_ops()),
                         [](const auto& test) { return std::string(test.param->name); });

TEST_P(Devices, EmbeddingReadsTheRowsOfEveryStoredForm) {
  const mx::array ids = mx::array({3, 0, 39, 3, 7, 12}, {2, 3});
  for (const auto& [name, table] : stored_tables(40, 128)) {
    SCOPED_TRACE(name);
    const mx::array wanted = mx::take(dequantize(*table, mx::float32), ids, 0);
    const mx::array got = Embedding(device_, table)(ids, mx::float32);
    EXPECT_EQ(got.shape(), (mx::Shape{2, 3, 128}));
    EXPECT_EQ(got.dtype(), mx::float32);
    expect_near(got, values_of(wanted), 2e-6);
    EXPECT_EQ(Embedding(device_, table)(ids, mx::bfloat16).dtype(), mx::bfloat16);
  }
}

TEST_P(Devices, LinearAddsItsBias) {
  const mx::array weight = random({11, 24}), bias = random({11}, 1), x = random({2, 3, 24}, 2);
  const auto stored =
      std::make_shared<const Weight>(Weight{0, 11, 24, weight, std::nullopt, std::nullopt, std::nullopt, std::nullopt});
  const mx::array without = mx::matmul(x, mx::swapaxes(weight, 0, 1));
  expect_near(Linear(device_, stored)(x), values_of(without), 1e-5);
  expect_near(Linear(device_, stored, bias)(x), values_of(mx::add(without, bias)), 1e-5);
}

}  // namespace
}  // namespace glimt
