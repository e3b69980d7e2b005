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
  ExpertWeights w;
  w.gate = {matrix(count, inner, hidden, 1)};
  w.up = {matrix(count, inner, hidden, 2)};
  w.down = {matrix(count, hidden, inner, 3)};
  w.gate_up = joined(w.gate[0], w.up[0]);
  if (shared) {
    SwiGluWeights own{matrix(0, inner, hidden, 4), matrix(0, inner, hidden, 5), matrix(0, hidden, inner, 6)};
    own.gate_up = joined(own.gate, own.up);
    w.shared = std::move(own);
  }
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
  other.shared->gate_up->global_scale = mx::array(1.0F);
  EXPECT_FALSE(cuda::fits_experts(x, indices, other));
  other = *usual;
  other.gate_up.reset();
  EXPECT_FALSE(cuda::fits_experts(x, indices, other));
}

class CudaDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_cuda_kernels()) GTEST_SKIP() << "no CUDA device, or built without `make cuda`";
  }
  Device plain_{plain_ops(), false};
  Device ours_{cuda_ops(), false};
};

mx::array random_bf16(const mx::Shape& shape, std::uint64_t seed) {
  return mx::astype(random(shape, seed, 1), mx::bfloat16);
}

TEST_F(CudaDevice, RoutesAsTheDefinition) {
  const mx::array logits = random({5, 64}, 1, 2);
  const RouterBias bias(random({64}, 2, 0.1F));
  const RouterOptions options{.top_k = 4, .normalize = true, .scale = 1.8F};
  const Routing got = route(ours_, logits, bias, options), want = route(plain_, logits, bias, options);
  EXPECT_TRUE(mx::array_equal(got.indices, want.indices).item<bool>());
  EXPECT_LT(relative_error(got.scores, want.scores), 1e-5);
}

TEST_F(CudaDevice, AddsAndNormsAsTheDefinition) {
  const mx::array x = random_bf16({3, 2048}, 1), y = random_bf16({3, 2048}, 2), weight = random_bf16({2048}, 3);
  const SumAndNorm got = add_rms_norm(ours_, x, y, weight, 1e-5F), want = add_rms_norm(plain_, x, y, weight, 1e-5F);
  EXPECT_TRUE(mx::array_equal(got.sum, want.sum).item<bool>());
  EXPECT_LT(relative_error(got.norm, want.norm), 4e-3);
}

// 20 tokens of a prompt each, then steps of one token, as an answer has them.
TEST_F(CudaDevice, AttendsAsTheDefinition) {
  const int heads = 20, nope = 192, rope = 64, latent = 512, v = 256;
  Rotary rotary;
  for (int p = 0; p < rope / 2; ++p) rotary.frequencies.push_back(std::pow(1e6F, -2 * static_cast<float>(p) / rope));
  MlaWeights weights{
      matrix(heads, latent, nope, 1), matrix(heads, v, latent, 2), random_bf16({latent}, 3), 1e-5F, rotary, 1 / 16.0F};
  weights.dense = plain_ops().prepare_heads(weights, mx::bfloat16);
  const auto w = std::make_shared<const MlaWeights>(std::move(weights));
  const auto plain_rows = plain_ops().make_rows(RowType::bf16, latent + rope, 4);
  const auto our_rows = cuda_ops().make_rows(RowType::bf16, latent + rope, 4);
  for (int position = 0; position < 24; position += position == 0 ? 20 : 1) {
    const int length = position == 0 ? 20 : 1;
    const auto step = std::make_shared<const Step>(Step{{position, length, {1}}, {position, length, {3}}});
    const mx::array q = random_bf16({2 * length, heads * (nope + rope)}, 10 + static_cast<std::uint64_t>(position));
    const mx::array kv = random_bf16({2 * length, latent + rope}, 50 + static_cast<std::uint64_t>(position));
    const mx::array got = mla(ours_, q, kv, w, *our_rows, step), want = mla(plain_, q, kv, w, *plain_rows, step);
    mx::eval(got, want);
    EXPECT_LT(relative_error(got, want), 1e-2) << "position " << position;
  }
}

struct Case {
  int tokens, hidden, inner, experts, top_k;
  bool shared;
};

class CudaExpertsOnDevice : public CudaDevice, public ::testing::WithParamInterface<Case> {};

TEST_P(CudaExpertsOnDevice, EqualTheirDefinition) {
  const Case& c = GetParam();
  const ExpertsPtr w = experts_of(c.experts, c.hidden, c.inner, c.shared);
  const mx::array x = mx::astype(random({c.tokens, c.hidden}, 7, 1), mx::bfloat16);
  const mx::array indices = mx::astype(
      mx::random::randint(mx::array(0), mx::array(c.experts), {c.tokens, c.top_k}, mx::int32, mx::random::key(8)),
      mx::uint32);
  const mx::array scores = mx::abs(random({c.tokens, c.top_k}, 9, 1));
  ASSERT_TRUE(cuda::fits_experts(x, indices, *w));
  const double error = relative_error(experts(ours_, x, indices, scores, w), experts(plain_, x, indices, scores, w));
  EXPECT_LT(error, 1.2e-2);  // both round to bfloat16; the definition does so between its steps as well
}

INSTANTIATE_TEST_SUITE_P(Shapes, CudaExpertsOnDevice,
                         ::testing::Values(Case{1, 2048, 1536, 64, 4, true}, Case{8, 2048, 1536, 64, 4, true},
                                           Case{2, 192, 64, 5, 2, false}, Case{3, 4096, 128, 3, 1, true}));

}  // namespace
}  // namespace glimt::kernels
