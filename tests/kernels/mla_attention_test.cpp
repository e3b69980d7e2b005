// Attention over the latent cache: every kernel that this CPU can run against sums in double, the MLX operation against
// its definition, and the promise that a query's result does not depend on its company, bit by bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"

namespace glimt {
namespace {

using cpu::AttentionKernel;
using cpu::AttentionShape;
using cpu::RowFormat;

std::uint16_t to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

float from_bf16(std::uint16_t h) {
  const std::uint32_t bits = static_cast<std::uint32_t>(h) << 16;
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// One sequence's cache, with more room behind each row and behind the last one than is used; the room holds NaN.
struct Cache {
  Cache(int keys, int width, RowFormat row_format, std::mt19937& random, float size = 1.0f)
      : format(row_format), stride(static_cast<std::size_t>(width) + 8), row_width(width) {
    std::normal_distribution<float> normal(0.0f, size);
    values.assign(static_cast<std::size_t>(keys + 3) * stride, std::nanf(""));
    for (int t = 0; t < keys; ++t) {
      for (int i = 0; i < width; ++i) at(t, i) = from_bf16(to_bf16(normal(random)));
    }
    update();
  }

  float& at(int key, int column) {
    return values[static_cast<std::size_t>(key) * stride + static_cast<std::size_t>(column)];
  }

  void update() {
    halves.clear();
    for (const float value : values) halves.push_back(to_bf16(value));
  }

  cpu::AttentionRows rows() const {
    const void* data = format == RowFormat::f32 ? static_cast<const void*>(values.data()) : halves.data();
    return {format, data, stride, row_width};
  }

  RowFormat format;
  std::size_t stride;
  int row_width;
  std::vector<float> values;
  std::vector<std::uint16_t> halves;
};

struct Queries {
  Queries(const AttentionShape& s, std::mt19937& random, float size = 1.0f) : shape(s) {
    std::normal_distribution<float> normal(0.0f, size);
    latent.resize(static_cast<std::size_t>(s.heads * s.queries * s.latent));
    pe.resize(static_cast<std::size_t>(s.heads * s.queries * s.rope));
    for (float& x : latent) x = normal(random);
    for (float& x : pe) x = normal(random);
  }

  // Queries first … first + count of each head.
  Queries part(int first, int count) const {
    Queries out = *this;
    out.shape.queries = count;
    out.latent.clear();
    out.pe.clear();
    for (int h = 0; h < shape.heads; ++h) {
      const auto begin = static_cast<std::ptrdiff_t>(h * shape.queries + first), end = begin + count;
      out.latent.insert(out.latent.end(), latent.begin() + begin * shape.latent, latent.begin() + end * shape.latent);
      out.pe.insert(out.pe.end(), pe.begin() + begin * shape.rope, pe.begin() + end * shape.rope);
    }
    return out;
  }

  AttentionShape shape;
  std::vector<float> latent, pe;
};

std::vector<float> run(const AttentionKernel& kernel, const std::vector<const Queries*>& queries,
                       const std::vector<const Cache*>& caches, const std::vector<int>& keys) {
  const AttentionShape& shape = queries[0]->shape;
  const auto size = static_cast<std::size_t>(shape.heads * shape.queries * shape.latent);
  std::vector<float> out(size * queries.size(), 1e30f);
  std::vector<cpu::AttentionSequence> sequences;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    sequences.push_back(
        {queries[i]->latent.data(), queries[i]->pe.data(), caches[i]->rows(), keys[i], out.data() + i * size});
  }
  cpu::latent_attention(shape, sequences, kernel);
  return out;
}

std::vector<float> run(const AttentionKernel& kernel, const Queries& queries, const Cache& cache, int keys) {
  return run(kernel, {&queries}, {&cache}, {keys});
}

std::vector<double> reference(const Queries& q, Cache& cache, int keys) {
  const AttentionShape& s = q.shape;
  std::vector<double> out;
  for (int row = 0; row < s.heads * s.queries; ++row) {
    const int seen = keys - s.queries + row % s.queries + 1;
    std::vector<double> weights(static_cast<std::size_t>(seen));
    for (int t = 0; t < seen; ++t) {
      double score = 0;
      for (int i = 0; i < s.latent; ++i)
        score += double{q.latent[static_cast<std::size_t>(row * s.latent + i)]} * double{cache.at(t, i)};
      for (int i = 0; i < s.rope; ++i) {
        score += double{q.pe[static_cast<std::size_t>(row * s.rope + i)]} * double{cache.at(t, s.latent + i)};
      }
      weights[static_cast<std::size_t>(t)] = score * double{s.scale};
    }
    const double max = *std::max_element(weights.begin(), weights.end());
    double sum = 0;
    for (double& w : weights) sum += w = std::exp(w - max);
    for (int i = 0; i < s.latent; ++i) {
      double value = 0;
      for (int t = 0; t < seen; ++t) value += weights[static_cast<std::size_t>(t)] / sum * double{cache.at(t, i)};
      out.push_back(value);
    }
  }
  return out;
}

// The worst row's |got - wanted| / |wanted|, in the Euclidean norm.
double worst_error(const std::vector<float>& got, const std::vector<double>& wanted, int width) {
  double worst = 0;
  for (std::size_t row = 0; row < got.size(); row += static_cast<std::size_t>(width)) {
    double error = 0, norm = 0;
    for (std::size_t i = row; i < row + static_cast<std::size_t>(width); ++i) {
      error += (double{got[i]} - wanted[i]) * (double{got[i]} - wanted[i]);
      norm += wanted[i] * wanted[i];
    }
    worst = std::max(worst, std::sqrt(error / std::max(norm, 1e-30)));
    if (std::isnan(error)) return error;
  }
  return worst;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct Case {
  const AttentionKernel* kernel;
  RowFormat format;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const AttentionKernel* kernel : cpu::supported_attention_kernels()) {
    all.push_back({kernel, RowFormat::bf16});
    if (kernel->reads_f32) all.push_back({kernel, RowFormat::f32});
  }
  return all;
}

class LatentAttention : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override { cpu::set_threads(2); }
  const AttentionKernel& kernel() const { return *GetParam().kernel; }
  double tolerance() const { return kernel().exact ? 2e-6 : 8e-3; }
  std::mt19937 random_{42};
};

INSTANTIATE_TEST_SUITE_P(Kernels, LatentAttention, testing::ValuesIn(cases()), [](const auto& tested) {
  const Case& c = tested.param;
  return std::string(c.kernel->isa) + "_" + c.kernel->arithmetic +
         (c.format == RowFormat::f32 ? "_f32_rows" : "_bf16_rows");
});

TEST_P(LatentAttention, MatchesSumsInDouble) {
  struct {
    int heads, queries, latent, rope, keys;
  } const shapes[] = {
      {4, 1, 64, 16, 1},     {4, 1, 64, 16, 2},     {4, 3, 64, 16, 3},     {20, 1, 512, 64, 127},
      {20, 1, 512, 64, 128}, {20, 1, 512, 64, 129}, {20, 2, 512, 64, 300}, {1, 1, 8, 8, 5},
      {3, 5, 72, 24, 261},   {5, 7, 40, 8, 7},      {4, 70, 64, 16, 70},   {20, 17, 128, 32, 140},
      {2, 131, 64, 16, 400}, {7, 1, 512, 64, 1000},
  };
  for (const auto& s : shapes) {
    const AttentionShape shape{s.heads, s.queries, s.latent, s.rope,
                               1.5f / std::sqrt(static_cast<float>(s.latent + s.rope))};
    Cache cache(s.keys, s.latent + s.rope, GetParam().format, random_);
    const Queries queries(shape, random_);
    const double error =
        worst_error(run(kernel(), queries, cache, s.keys), reference(queries, cache, s.keys), s.latent);
    EXPECT_LE(error, tolerance()) << s.heads << " heads, " << s.queries << " queries, " << s.latent << "+" << s.rope
                                  << ", " << s.keys;
  }
}

TEST_P(LatentAttention, AnyWidth) {
  for (int trial = 0; trial < 20; ++trial) {
    const auto pick = [&](int low, int high) { return std::uniform_int_distribution(low, high)(random_); };
    const AttentionShape shape{pick(1, 9), pick(1, 9), pick(1, 150), pick(1, 40), 0.2f};
    const int width = (shape.latent + shape.rope), keys = pick(shape.queries, 300);
    if (width % kernel().width_step != 0) continue;
    Cache cache(keys, width, GetParam().format, random_);
    const Queries queries(shape, random_);
    EXPECT_LE(worst_error(run(kernel(), queries, cache, keys), reference(queries, cache, keys), shape.latent),
              tolerance());
  }
}

TEST_P(LatentAttention, LargeScoresPickTheBestKey) {
  const AttentionShape shape{4, 2, 64, 16, 100.0f};
  Cache cache(500, 80, GetParam().format, random_, 3.0f);
  const Queries queries(shape, random_, 3.0f);
  EXPECT_LE(worst_error(run(kernel(), queries, cache, 500), reference(queries, cache, 500), shape.latent),
            kernel().exact ? 1e-5 : 2e-4);
}

// Keys that look exactly like the queries, with every column at its largest: the sums reach what integers must hold.
TEST_P(LatentAttention, FullRangeOfTheSums) {
  for (const int latent : {64, 512}) {
    const AttentionShape shape{4, 1, latent, 64, 1.0f / static_cast<float>(latent)};
    Cache cache(300, latent + 64, GetParam().format, random_);
    Queries queries(shape, random_);
    const auto sign = [](int i) { return i % 3 == 0 ? -1.0f : 1.0f; };
    for (std::size_t i = 0; i < queries.latent.size(); ++i) queries.latent[i] = sign(static_cast<int>(i) % latent);
    for (std::size_t i = 0; i < queries.pe.size(); ++i) queries.pe[i] = sign(static_cast<int>(i) % 64);
    for (int t = 0; t < 300; ++t) {
      for (int i = 0; i < latent + 64; ++i)
        cache.at(t, i) = (t % 2 == 0 ? 1.0f : -1.0f) * sign(i < latent ? i : i - latent);
    }
    cache.update();
    EXPECT_LE(worst_error(run(kernel(), queries, cache, 300), reference(queries, cache, 300), latent), tolerance());
  }
}

TEST_P(LatentAttention, EqualKeysGiveTheirValue) {
  const AttentionShape shape{4, 1, 64, 16, 1.0f};
  Cache cache(333, 80, GetParam().format, random_);
  for (int t = 1; t < 333; ++t) {
    for (int i = 0; i < 80; ++i) cache.at(t, i) = cache.at(0, i);
  }
  cache.update();
  const std::vector<float> out = run(kernel(), Queries(shape, random_), cache, 333);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float wanted = cache.at(0, static_cast<int>(i % 64));
    EXPECT_NEAR(out[i], wanted, kernel().exact ? 1e-5f : 1e-3f * std::abs(wanted) + 1e-3f);
  }
}

TEST_P(LatentAttention, ZeroQueriesGiveTheMean) {
  const AttentionShape shape{2, 1, 64, 16, 1.0f};
  Cache cache(700, 80, GetParam().format, random_);
  const Queries queries(shape, random_, 0.0f);
  EXPECT_LE(worst_error(run(kernel(), queries, cache, 700), reference(queries, cache, 700), 64),
            kernel().exact ? 1e-5 : 2e-3);
}

TEST_P(LatentAttention, TinyAndHugeRows) {
  const AttentionShape shape{4, 1, 64, 16, 1e-3f};
  Cache cache(300, 80, GetParam().format, random_);
  for (int t = 0; t < 300; ++t) {
    for (int i = 0; i < 80; ++i) cache.at(t, i) *= t % 3 == 0 ? 0x1p-60f : t % 3 == 1 ? 0.0f : 64.0f;
  }
  cache.update();
  const Queries queries(shape, random_);
  EXPECT_LE(worst_error(run(kernel(), queries, cache, 300), reference(queries, cache, 300), 64), tolerance());
}

// A query that comes alone, in any chunk, with other sequences or on any number of threads.
TEST_P(LatentAttention, ResultDoesNotDependOnItsCompany) {
  constexpr int kKeys = 517, kQueries = 133;
  const AttentionShape shape{20, kQueries, 128, 32, 0.1f};
  const Cache cache(kKeys, 160, GetParam().format, random_), other(900, 160, GetParam().format, random_);
  const Queries all(shape, random_), noise(shape, random_);
  cpu::set_threads(1);
  const std::vector<float> together = run(kernel(), all, cache, kKeys);
  const auto rows_of = [&](int first, int count) {
    std::vector<float> rows;
    for (int h = 0; h < 20; ++h) {
      const auto begin = together.begin() + static_cast<std::ptrdiff_t>(h * kQueries + first) * 128;
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(count) * 128);
    }
    return rows;
  };
  for (const int threads : {1, 2, 3, 4}) {
    cpu::set_threads(threads);
    EXPECT_TRUE(same_bits(run(kernel(), all, cache, kKeys), together)) << threads << " threads";
    for (const int count : {1, 3, 7, 64}) {
      for (const int first : {0, 5, 69}) {
        const int keys = kKeys - kQueries + first + count;
        const Queries part = all.part(first, count);
        EXPECT_TRUE(same_bits(run(kernel(), part, cache, keys), rows_of(first, count))) << count << " from " << first;
        const Queries beside = noise.part(first, count);
        std::vector<float> both =
            run(kernel(), {&beside, &part, &beside}, {&other, &cache, &other}, {900, keys, count});
        const auto third = both.size() / 3;
        EXPECT_TRUE(same_bits(
            {both.begin() + static_cast<std::ptrdiff_t>(third), both.begin() + static_cast<std::ptrdiff_t>(2 * third)},
            rows_of(first, count)));
      }
    }
  }
}

TEST_P(LatentAttention, LongContextInWaves) {
  const AttentionShape shape{60, 1, 512, 64, 0.05f};
  constexpr int kKeys = 30000;  // the partial results of all blocks would take 30 MB
  Cache cache(kKeys, 576, GetParam().format, random_);
  const Queries all(shape, random_);
  const std::vector<float> out = run(kernel(), all, cache, kKeys);
  AttentionShape one = shape;
  one.heads = 1;
  Queries head(one, random_);
  head.latent.assign(all.latent.begin() + 7 * 512, all.latent.begin() + 8 * 512);
  head.pe.assign(all.pe.begin() + 7 * 64, all.pe.begin() + 8 * 64);
  const std::vector<float> alone = run(kernel(), head, cache, kKeys);
  EXPECT_TRUE(same_bits(alone, {out.begin() + 7 * 512, out.begin() + 8 * 512}));
  EXPECT_LE(worst_error(alone, reference(head, cache, kKeys), 512), tolerance());
}

TEST(AttentionKernels, EveryInstructionSetHasAnExactOne) {
  for (const AttentionKernel* kernel : cpu::supported_attention_kernels()) {
    RecordProperty(std::string(kernel->isa) + "_" + kernel->arithmetic, "tested");
  }
  EXPECT_TRUE(cpu::attention_kernel(RowFormat::f32, 576, false).reads_f32);
  EXPECT_TRUE(cpu::attention_kernel(RowFormat::bf16, 576, true).exact);
  EXPECT_EQ(77 % cpu::attention_kernel(RowFormat::bf16, 77, false).width_step, 0);
}

class MlaAttentionOp : public testing::Test {
 protected:
  void SetUp() override { before_ = kernels::backend(); }
  void TearDown() override { kernels::set_backend(before_); }
  kernels::Backend before_ = kernels::Backend::cpu;
};

mx::array on(kernels::Backend backend, const mx::array& q_latent, const mx::array& q_pe, const mx::array& rows,
             float scale) {
  kernels::set_backend(backend);
  mx::array out = kernels::mla_attention(q_latent, q_pe, rows, scale);
  mx::eval(out);
  return out;
}

TEST_F(MlaAttentionOp, MatchesItsDefinition) {
  for (const mx::Dtype dtype : {mx::float32, mx::bfloat16}) {
    for (const int length : {1, 3, 64}) {
      const mx::array q_latent = mx::random::normal({2, 4, length, 64}), q_pe = mx::random::normal({2, 4, length, 16});
      // As the cache gives it: a part of a larger buffer.
      const mx::array storage = mx::astype(mx::random::normal({2, 512, 80}), dtype);
      const mx::array rows = mx::slice(storage, {0, 0, 0}, {2, 300, 80});
      const mx::array got = on(kernels::Backend::cpu, q_latent, q_pe, rows, 0.2f);
      const mx::array wanted = on(kernels::Backend::mlx, q_latent, q_pe, rows, 0.2f);
      EXPECT_EQ(got.shape(), wanted.shape());
      const float tolerance = dtype == mx::float32 ? 1e-5f : 1e-2f;
      EXPECT_TRUE(mx::allclose(got, wanted, tolerance, tolerance).item<bool>()) << length;
    }
  }
}

TEST_F(MlaAttentionOp, QueriesNeedNotBeContiguous) {
  const mx::array q = mx::swapaxes(mx::random::normal({1, 5, 4, 80}), 1, 2);
  const std::vector<mx::array> parts = mx::split(q, mx::Shape{64}, -1);
  const mx::array rows = mx::random::normal({1, 9, 80});
  const mx::array got = on(kernels::Backend::cpu, parts[0], parts[1], rows, 0.3f);
  EXPECT_TRUE(mx::allclose(got, on(kernels::Backend::mlx, parts[0], parts[1], rows, 0.3f), 1e-5f, 1e-5f).item<bool>());
}

}  // namespace
}  // namespace glimt
