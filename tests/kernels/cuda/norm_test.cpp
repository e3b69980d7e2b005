// The CUDA kernel of a sum and its norm, emulated on the CPU, against plain loops in double.
#include "kernels/cuda/emulate.h"

#include "kernels/cuda/add_rms_norm.cu"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace {

class CudaAddRmsNorm : public ::testing::TestWithParam<int> {};

TEST_P(CudaAddRmsNorm, IsItsDefinition) {
  const int columns = GetParam(), rows = 3;
  const std::size_t count = static_cast<std::size_t>(rows * columns), width = static_cast<std::size_t>(columns);
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<bf16> x(count), y(count), sum(count, 0xFFFF), norm(count, 0xFFFF);
  for (bf16& value : x) value = to_bf16(normal(random));
  for (bf16& value : y) value = to_bf16(normal(random));
  std::vector<bf16> weight(width);
  for (bf16& value : weight) value = to_bf16(normal(random));
  emulate::launch({rows, 1, 1}, {32, 8, 1},
                  [&] { add_rms_norm(x.data(), y.data(), weight.data(), sum.data(), norm.data(), columns, 1e-5F); });
  for (std::size_t r = 0; r < count; r += width) {
    double squares = 0;
    for (std::size_t i = r; i < r + width; ++i) {
      ASSERT_EQ(sum[i], to_bf16(to_float(x[i]) + to_float(y[i])));
      squares += double{to_float(sum[i])} * double{to_float(sum[i])};
    }
    const double factor = 1 / std::sqrt(squares / columns + 1e-5);
    for (std::size_t i = r; i < r + width; ++i) {
      const double want = double{to_float(sum[i])} * factor * double{to_float(weight[i - r])};
      ASSERT_NEAR(to_float(norm[i]), want, std::abs(want) * 4e-3 + 1e-9);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Columns, CudaAddRmsNorm, ::testing::Values(8, 32, 264, 2048, 4096));

}  // namespace
