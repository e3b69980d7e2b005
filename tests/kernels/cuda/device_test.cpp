// The CUDA kernels on a GPU against their definitions in plain MLX operations; skipped where there is none.
#include "kernels/cuda/cuda_ops.h"

#include "kernels/cuda/images.h"
#include "kernels/plain_ops.h"

#include <gtest/gtest.h>

#include <cmath>

namespace glimt::kernels {
namespace {

mx::array random(const mx::Shape& shape, std::uint64_t seed, float size) {
  return mx::multiply(mx::random::normal(shape, mx::float32, 0.0F, 1.0F, mx::random::key(seed)), mx::array(size));
}

Weight matrix(int count, int rows, int columns, std::uint64_t seed) {
  const mx::Shape shape = count > 0 ? mx::Shape{count, rows, columns} : mx::Shape{rows, columns};
  const float size = 1 / std::sqrt(static_cast<float>(columns));
  return quantize(mx::astype(random(shape, seed, size), mx::bfloat16), {QuantMode::affine, 4, 64});
}

ExpertsPtr experts_of(int count, int hidden, int inner, bool shared) {
  ExpertWeights w{{matrix(count, inner, hidden, 1)},
                  {matrix(count, inner, hidden, 2)},
                  {matrix(count, hidden, inner, 3)},
                  std::nullopt};
  if (shared) w.shared = {matrix(0, inner, hidden, 4), matrix(0, inner, hidden, 5), matrix(0, hidden, inner, 6)};
  return std::make_shared<const ExpertWeights>(std::move(w));
}

double relative_error(const mx::array& got, const mx::array& want) {
  const mx::array difference = mx::subtract(mx::astype(got, mx::float32), mx::astype(want, mx::float32));
  const mx::array error = mx::divide(mx::sqrt(mx::sum(mx::square(difference))),
                                     mx::sqrt(mx::sum(mx::square(mx::astype(want, mx::float32)))));
  return static_cast<double>(mx::array(error).item<float>());
}

TEST(CudaImages, AreOfTheDevicesArchitecture) {
  EXPECT_EQ(cuda::image_architecture("sm_90"), "sm_90a");
  EXPECT_EQ(cuda::image_architecture("sm_89"), "sm_80");
  EXPECT_EQ(cuda::image_architecture("sm_121"), "sm_120");
  EXPECT_EQ(cuda::image_architecture("sm_75"), "");
  EXPECT_TRUE(cuda::image("experts_down", "sm_75").empty());
  EXPECT_TRUE(cuda::image("no_such_kernel", "sm_90").empty());
  for (const cuda::Image& image : cuda::images()) {
    EXPECT_TRUE(
        image.bytes.starts_with("\x7f"
                                "ELF"))
        << image.kernel << ' ' << image.architecture;
  }
}

TEST(CudaExperts, FitDecodeStepsOfTheUsualFormOnly) {
  const mx::array x = mx::zeros({1, 128}, mx::bfloat16), indices = mx::zeros({1, 2}, mx::uint32);
  const ExpertsPtr usual = experts_of(4, 128, 64, true);
  EXPECT_TRUE(cuda::fits_experts(x, indices, *usual));
  EXPECT_TRUE(cuda::fits_experts(x, indices, *experts_of(4, 128, 64, false)));
  EXPECT_FALSE(cuda::fits_experts(mx::astype(x, mx::float32), indices, *usual));
  EXPECT_FALSE(cuda::fits_experts(mx::zeros({9, 128}, mx::bfloat16), mx::zeros({9, 2}, mx::uint32), *usual));
  ExpertWeights other = *usual;
  other.down[0] = quantize(mx::zeros({4, 128, 64}, mx::bfloat16), {QuantMode::affine, 8, 64});
  EXPECT_FALSE(cuda::fits_experts(x, indices, other));
  other = *usual;
  other.shared->up.global_scale = mx::array(1.0F);
  EXPECT_FALSE(cuda::fits_experts(x, indices, other));
}

struct Case {
  int tokens, hidden, inner, experts, top_k;
  bool shared;
};

class CudaExpertsOnDevice : public ::testing::TestWithParam<Case> {};

TEST_P(CudaExpertsOnDevice, EqualTheirDefinition) {
  if (!has_cuda_kernels()) GTEST_SKIP() << "no CUDA device, or built without `make cuda`";
  const Case& c = GetParam();
  const ExpertsPtr w = experts_of(c.experts, c.hidden, c.inner, c.shared);
  const mx::array x = mx::astype(random({c.tokens, c.hidden}, 7, 1), mx::bfloat16);
  const mx::array indices = mx::astype(
      mx::random::randint(mx::array(0), mx::array(c.experts), {c.tokens, c.top_k}, mx::int32, mx::random::key(8)),
      mx::uint32);
  const mx::array scores = mx::abs(random({c.tokens, c.top_k}, 9, 1));
  ASSERT_TRUE(cuda::fits_experts(x, indices, *w));
  const Device plain(plain_ops(), false), ours(cuda_ops(), false);
  const double error = relative_error(experts(ours, x, indices, scores, w), experts(plain, x, indices, scores, w));
  EXPECT_LT(error, 8e-3);  // both round to bfloat16; the definition does so between its steps as well
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaExpertsOnDevice,
                         ::testing::Values(Case{1, 2048, 1536, 64, 4, true}, Case{8, 2048, 1536, 64, 4, true},
                                           Case{2, 192, 64, 5, 2, false}, Case{3, 4160, 128, 3, 1, true}));

}  // namespace
}  // namespace glimt::kernels
