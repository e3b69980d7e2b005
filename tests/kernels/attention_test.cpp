// Attention in latent space against its definition in plain MLX, and against itself: a query's result must not depend on
// the chunk, the batch or the number of threads that it comes with.
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace glimt::kernels {
namespace {

constexpr float kScale = 0.2f;

mx::array random(const mx::Shape& shape, std::uint64_t seed) {
  const mx::array x = mx::random::normal(shape, mx::float32, 0.0f, 1.0f, mx::random::key(seed));
  mx::eval(x);
  return x;
}

struct Case {
  int batch, heads, queries, keys, latent, rope;
  mx::Dtype dtype = mx::float32;
};

struct Inputs {
  explicit Inputs(const Case& c)
      : latent(random({c.batch, c.heads, c.queries, c.latent}, 1)),
        pe(random({c.batch, c.heads, c.queries, c.rope}, 2)),
        rows(mx::astype(random({c.batch, c.keys, c.latent + c.rope}, 3), c.dtype)) {
    mx::eval(rows);
  }
  mx::array attend() const {
    const mx::array y = mla_attention(latent, pe, rows, kScale);
    mx::eval(y);
    return y;
  }
  // Query `i` of `b` alone, with the keys that it sees.
  mx::array attend_alone(int b, int i) const {
    const int queries = latent.shape(2), keys = rows.shape(1) - queries + i + 1;
    const auto query = [&](const mx::array& q) {
      return mx::slice(q, {b, 0, i, 0}, {b + 1, q.shape(1), i + 1, q.shape(3)});
    };
    return mla_attention(query(latent), query(pe), mx::slice(rows, {b, 0, 0}, {b + 1, keys, rows.shape(2)}), kScale);
  }

  mx::array latent, pe, rows;
};

mx::array of_query(const mx::array& y, int b, int i) {
  return mx::slice(y, {b, 0, i, 0}, {b + 1, y.shape(1), i + 1, y.shape(3)});
}

bool same(const mx::array& a, const mx::array& b) { return mx::array_equal(a, b).item<bool>(); }

// Parameter: exact arithmetic, or what answers are made with.
class Attention : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    set_backend(Backend::cpu);
    cpu::set_exact(GetParam());
  }
  void TearDown() override {
    set_backend(Backend::cpu);
    cpu::set_exact(false);
    cpu::set_threads(threads_);
  }
  const int threads_ = cpu::threads();
};

INSTANTIATE_TEST_SUITE_P(All, Attention, testing::Bool(),
                         [](const auto& test) { return test.param ? "Exact" : "Fast"; });

TEST_P(Attention, IsItsDefinition) {
  const Case cases[] = {{1, 1, 1, 1, 8, 2},       {1, 2, 1, 7, 16, 4},     {2, 3, 5, 5, 24, 8},
                        {2, 3, 1, 300, 40, 6},    {1, 4, 33, 161, 64, 16}, {2, 5, 40, 129, 512, 64},
                        {1, 20, 1, 128, 512, 64}, {3, 2, 130, 390, 20, 10}};
  for (Case c : cases) {
    for (const mx::Dtype dtype : {mx::float32, mx::bfloat16}) {
      c.dtype = dtype;
      const Inputs inputs(c);
      set_backend(Backend::mlx);
      const mx::array wanted = inputs.attend();
      set_backend(Backend::cpu);
      const float worst = mx::max(mx::abs(mx::subtract(inputs.attend(), wanted))).item<float>();
      EXPECT_LE(worst, GetParam() ? 2e-5f : 0.05f)
          << c.queries << " queries, " << c.keys << " keys, " << c.latent << " wide";
    }
  }
}

TEST_P(Attention, AQueryIsTheSameAloneAndInEveryChunkAndBatch) {
  const Case cases[] = {{2, 3, 40, 40, 24, 8}, {1, 2, 9, 300, 64, 16, mx::bfloat16}, {2, 5, 66, 257, 32, 8}};
  for (const Case& c : cases) {
    const Inputs inputs(c);
    const mx::array y = inputs.attend();
    for (int b = 0; b < c.batch; ++b) {
      for (int i = 0; i < c.queries; i += 4)
        EXPECT_TRUE(same(inputs.attend_alone(b, i), of_query(y, b, i))) << "query " << i;
    }
  }
}

TEST_P(Attention, DoesNotDependOnTheNumberOfThreads) {
  for (const Case& c :
       {Case{1, 4, 1, 700, 64, 16}, Case{2, 4, 37, 300, 64, 16, mx::bfloat16}, Case{1, 3, 200, 200, 32, 8}}) {
    const Inputs inputs(c);
    const mx::array wanted = inputs.attend();
    for (const int threads : {1, 2, 3, 4}) {
      cpu::set_threads(threads);
      EXPECT_TRUE(same(inputs.attend(), wanted)) << threads;
    }
  }
}

// As the cache hands them over: the beginning of a buffer with room for more.
TEST_P(Attention, ReadsRowsInALargerBuffer) {
  for (const mx::Dtype dtype : {mx::float32, mx::bfloat16}) {
    const Inputs inputs({2, 3, 5, 37, 24, 8, dtype});
    const mx::array buffer =
        mx::concatenate({inputs.rows, mx::full({2, 90, 32}, std::numeric_limits<float>::quiet_NaN(), dtype)}, 1);
    mx::eval(buffer);
    EXPECT_TRUE(same(mla_attention(inputs.latent, inputs.pe, mx::slice(buffer, {0, 0, 0}, {2, 37, 32}), kScale),
                     inputs.attend()));
  }
}

// A broken key reaches every query that sees it, and no other sequence of the batch.
TEST_P(Attention, NanReachesTheQueriesThatSeeItAndNoOtherSequence) {
  Inputs inputs({2, 2, 40, 140, 24, 8});
  const mx::array wanted = inputs.attend();
  const mx::array position = mx::reshape(mx::arange(0, 2 * 140, mx::int32), {2, 140, 1});
  inputs.rows =
      mx::where(mx::equal(position, mx::array(120)), mx::array(std::numeric_limits<float>::quiet_NaN()), inputs.rows);
  mx::eval(inputs.rows);
  const mx::array y = inputs.attend();
  for (int i = 0; i < 40; ++i) {  // query i is at position 100 + i
    EXPECT_TRUE(i < 20 || mx::all(mx::isnan(of_query(y, 0, i))).item<bool>()) << i;
    EXPECT_TRUE(same(of_query(y, 1, i), of_query(wanted, 1, i))) << i;
  }
}

TEST_P(Attention, ScoresOfAnySizeGiveAWeightedMean) {
  for (const float size : {1e-20f, 30.0f, 1e4f}) {
    Inputs inputs({1, 2, 6, 200, 24, 8});
    inputs.latent = mx::multiply(inputs.latent, mx::array(size));
    inputs.pe = mx::multiply(inputs.pe, mx::array(size));
    set_backend(Backend::mlx);
    const mx::array wanted = inputs.attend();
    set_backend(Backend::cpu);
    const float worst = mx::max(mx::abs(mx::subtract(inputs.attend(), wanted))).item<float>();
    EXPECT_LE(worst, GetParam() ? 1e-4f * std::max(1.0f, size / 30) : 1.0f) << size;
  }
}

}  // namespace
}  // namespace glimt::kernels
