// Attention over the latent cache: every kernel that this CPU can run against sums in double, and the promise that a
// query's result does not depend on its company, bit by bit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/thread_pool.h"

namespace glimt {
namespace {

using cpu::AttentionKernel;
using cpu::RowType;

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

struct AttentionShape {
  int heads, queries, latent, rope;
  float scale;
};

// One sequence's cache, its blocks in any order; what lies behind the last row and in unused blocks is NaN.
struct Cache {
  Cache(int keys, int width, RowType row_format, std::mt19937& random, float size = 1.0f)
      : format(row_format), row_width(width), count(keys) {
    std::normal_distribution<float> normal(0.0f, size);
    for (int i = 0; i < keys * width; ++i) values.push_back(from_bf16(to_bf16(normal(random))));
    blocks.resize(static_cast<std::size_t>((keys + cpu::kKeyBlock - 1) / cpu::kKeyBlock) + 2);
    std::iota(blocks.begin(), blocks.end(), 0);
    std::shuffle(blocks.begin(), blocks.end(), random);
    update();
  }

  float& at(int key, int column) { return values[static_cast<std::size_t>(key * row_width + column)]; }

  // Stores the values as rows. Eight-bit rows round: the values become what they hold.
  void update() {
    const std::size_t bytes = cpu::row_bytes(format, row_width);
    memory.assign(blocks.size() * cpu::kKeyBlock * bytes / sizeof(float) + 1, std::nanf(""));
    for (int t = 0; t < count; ++t) {
      const auto row = static_cast<std::size_t>(blocks[static_cast<std::size_t>(t / cpu::kKeyBlock)] * cpu::kKeyBlock +
                                                t % cpu::kKeyBlock);
      unsigned char* place = reinterpret_cast<unsigned char*>(memory.data()) + row * bytes;
      cpu::store_row(format, &at(t, 0), row_width, place);
      if (format != RowType::q8) continue;
      std::vector<std::uint16_t> halves(static_cast<std::size_t>(row_width));
      cpu::expand_q8_row(place, row_width, halves.data());
      for (int i = 0; i < row_width; ++i) at(t, i) = from_bf16(halves[static_cast<std::size_t>(i)]);
    }
  }

  RowType format;
  int row_width, count;
  std::vector<int> blocks;
  std::vector<float> values, memory;
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

// All sequences in one call; their queries lie apart, and their results do.
std::vector<float> run(const AttentionKernel& kernel, const std::vector<const Queries*>& queries,
                       const std::vector<const Cache*>& caches, const std::vector<int>& keys) {
  const AttentionShape& shape = queries[0]->shape;
  std::size_t size = 0;
  for (const Queries* q : queries) size += q->latent.size();
  std::vector<float> out(size, 1e30f);
  std::vector<cpu::AttentionSequence> sequences;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const int count = queries[i]->shape.queries;
    sequences.push_back({count, queries[i]->latent.data(), queries[i]->pe.data(), out.data() + offset, count,
                         caches[i]->format, caches[i]->memory.data(), caches[i]->blocks.data(), keys[i]});
    offset += queries[i]->latent.size();
  }
  cpu::latent_attention({shape.heads, {shape.latent, shape.rope, shape.latent}, shape.scale}, sequences, kernel);
  return out;
}

std::vector<float> run(const AttentionKernel& kernel, const Queries& queries, const Cache& cache, int keys) {
  return run(kernel, {&queries}, {&cache}, {keys});
}

std::vector<double> reference(const Queries& q, Cache& cache, int keys, Cache& values) {
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
    const int width = &values == &cache ? s.latent : values.row_width;
    for (int i = 0; i < width; ++i) {
      double value = 0;
      for (int t = 0; t < seen; ++t) value += weights[static_cast<std::size_t>(t)] / sum * double{values.at(t, i)};
      out.push_back(value);
    }
  }
  return out;
}

std::vector<double> reference(const Queries& q, Cache& cache, int keys) { return reference(q, cache, keys, cache); }

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
  RowType format;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const AttentionKernel* kernel : cpu::supported_attention_kernels()) {
    all.push_back({kernel, RowType::bf16});
    all.push_back({kernel, RowType::q8});
    if (kernel->reads_f32) all.push_back({kernel, RowType::f32});
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
         (c.format == RowType::f32    ? "_f32_rows"
          : c.format == RowType::bf16 ? "_bf16_rows"
                                      : "_q8_rows");
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

// As a batch lays them out: the heads of all sequences' queries one behind the other, of different numbers.
TEST_P(LatentAttention, SequencesOfDifferentLengthsShareTheirBuffers) {
  const AttentionShape all_shape{3, 9, 64, 16, 0.2f};
  const Queries all(all_shape, random_);
  const Cache a(200, 80, GetParam().format, random_), b(131, 80, GetParam().format, random_),
      c(4, 80, GetParam().format, random_);
  struct Part {
    const Cache* cache;
    int first, count, keys;
  };
  const Part parts[] = {{&a, 0, 1, 200}, {&b, 1, 5, 131}, {&c, 6, 3, 4}};
  std::vector<float> out(all.latent.size(), 1e30f);
  std::vector<cpu::AttentionSequence> sequences;
  for (const Part& part : parts) {
    sequences.push_back({part.count, all.latent.data() + part.first * 64, all.pe.data() + part.first * 16,
                         out.data() + part.first * 64, all_shape.queries, GetParam().format, part.cache->memory.data(),
                         part.cache->blocks.data(), part.keys});
  }
  cpu::latent_attention({3, {64, 16, 64}, 0.2f}, sequences, kernel());
  for (const Part& part : parts) {
    const std::vector<float> alone = run(kernel(), all.part(part.first, part.count), *part.cache, part.keys);
    for (int h = 0; h < 3; ++h) {
      const auto from = out.cbegin() + (h * 9 + part.first) * 64;
      const auto begin = alone.cbegin() + h * part.count * 64;
      EXPECT_TRUE(same_bits({from, from + part.count * 64}, {begin, begin + part.count * 64})) << part.first;
    }
  }
}

TEST_P(LatentAttention, KeysBeforeTheFirstAreNotRead) {
  const AttentionShape shape{4, 3, 64, 16, 0.2f};
  Cache cache(300, 80, GetParam().format, random_);
  Cache shifted = cache;  // without the first key
  shifted.values.erase(shifted.values.begin(), shifted.values.begin() + 80);
  shifted.count = 299;
  shifted.update();
  for (int i = 0; i < 80; ++i) cache.at(0, i) = std::nanf("");
  cache.update();
  const Queries queries(shape, random_);
  for (const int keys : {4, 128, 129, 300}) {
    std::vector<float> out(queries.latent.size());
    const cpu::AttentionSequence sequence{3,
                                          queries.latent.data(),
                                          queries.pe.data(),
                                          out.data(),
                                          3,
                                          GetParam().format,
                                          cache.memory.data(),
                                          cache.blocks.data(),
                                          keys,
                                          1};
    cpu::latent_attention({4, {64, 16, 64}, 0.2f}, {&sequence, 1}, kernel());
    EXPECT_LE(worst_error(out, reference(queries, shifted, keys - 1), 64), tolerance()) << keys;
  }
}

// Keys and values in memory of their own, in blocks of the same order: what comes out is the weighted sum of these values.
TEST_P(LatentAttention, ValuesMayLieApart) {
  if (GetParam().format == RowType::q8) return;
  for (const int width : {64, 72, 136}) {  // of the values
    const AttentionShape shape{2, 5, 64, 16, 0.2f};
    Cache keys(300, 80, GetParam().format, random_), values(300, width, GetParam().format, random_);
    values.blocks = keys.blocks;
    values.update();
    const Queries queries(shape, random_);
    std::vector<float> out(static_cast<std::size_t>(2 * 5 * width));
    const cpu::AttentionSequence sequence{5,
                                          queries.latent.data(),
                                          queries.pe.data(),
                                          out.data(),
                                          5,
                                          GetParam().format,
                                          keys.memory.data(),
                                          keys.blocks.data(),
                                          300,
                                          0,
                                          values.memory.data()};
    cpu::latent_attention({2, {64, 16, width}, 0.2f}, {&sequence, 1}, kernel());
    EXPECT_LE(worst_error(out, reference(queries, keys, 300, values), width), tolerance()) << width;
  }
}

TEST(LatentRows, ARowStandsForTheSameValuesWhenItIsRead) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> values(70), got(70);
  for (float& x : values) x = normal(random);
  for (const RowType type : {RowType::f32, RowType::bf16, RowType::q8}) {
    std::vector<float> row(cpu::row_bytes(type, 70) / sizeof(float) + 1);
    cpu::store_row(type, values.data(), 70, row.data());
    cpu::load_row(type, row.data(), 70, got.data());
    const float step = type == RowType::f32 ? 0.0f : type == RowType::bf16 ? 0x1p-8f : 0.6f / 127 * 4;
    for (std::size_t i = 0; i < 70; ++i)
      EXPECT_LE(std::abs(got[i] - values[i]), type == RowType::bf16 ? step * std::abs(values[i]) : step);
  }
}

TEST(LatentRows, EightBitsKeepAGroupWithinHalfAStep) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const int width : {1, 64, 70, 576}) {
    for (const float size : {1e-20f, 1.0f, 1e20f}) {
      std::vector<float> values(static_cast<std::size_t>(width));
      for (float& x : values) x = normal(random) * size;
      std::vector<float> row(cpu::row_bytes(RowType::q8, width) / sizeof(float));
      cpu::store_row(RowType::q8, values.data(), width, row.data());
      std::vector<std::uint16_t> got(values.size());
      cpu::expand_q8_row(row.data(), width, got.data());
      for (int first = 0; first < width; first += cpu::kRowGroup) {
        float largest = 0;
        const int last = std::min(first + cpu::kRowGroup, width);
        for (int i = first; i < last; ++i) largest = std::max(largest, std::abs(values[static_cast<std::size_t>(i)]));
        for (int i = first; i < last; ++i) {
          const auto at = static_cast<std::size_t>(i);
          EXPECT_LE(std::abs(from_bf16(got[at]) - values[at]), largest * (0.5f / 127 + 1.0f / 256)) << width;
        }
      }
    }
  }
}

// Every kernel's own way against the definition, bit by bit: all bytes, odd widths, ties, the largest and the smallest
// scales, infinite and NaN ones of any payload.
TEST(LatentRows, EveryKernelExpandsEightBitsTheSame) {
  std::mt19937 random(3);
  for (const AttentionKernel* kernel : cpu::supported_attention_kernels()) {
    SCOPED_TRACE(std::string(kernel->isa) + " " + kernel->arithmetic);
    for (const int width : {1, 7, 16, 63, 64, 65, 130, 576}) {
      std::vector<std::uint32_t> row(cpu::row_bytes(RowType::q8, width) / sizeof(std::uint32_t));
      const auto columns = static_cast<std::size_t>(width);
      std::vector<std::uint16_t> wanted(columns), got(columns + 1, 0x1234);
      for (int round = 0; round < 200; ++round) {
        for (std::uint32_t& word : row) word = static_cast<std::uint32_t>(random());
        const std::uint32_t special[] = {0,          1,          0x7f800000, 0xff800000, 0x7fc00000,
                                         0x7fffffff, 0xffffffff, 0x7f7fffff, 0x3f800000};
        if (round < 9)
          std::fill(row.begin() + static_cast<std::ptrdiff_t>(cpu::q8_scales_at(width) / 4), row.end(), special[round]);
        cpu::expand_q8_row(row.data(), width, wanted.data());
        kernel->expand_q8(row.data(), width, got.data());
        EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), got.begin())) << width << " columns, round " << round;
        EXPECT_EQ(got[columns], 0x1234);  // and writes no further
      }
    }
  }
}

TEST(LatentRows, NanInfinityAndZeroStayWhatTheyAre) {
  for (const RowType format : {RowType::bf16, RowType::q8}) {
    std::vector<float> values(130, 0.0f);
    values[3] = std::nanf("");
    values[70] = INFINITY;
    std::vector<float> row(cpu::row_bytes(format, 130) / sizeof(float) + 1);
    cpu::store_row(format, values.data(), 130, row.data());
    std::vector<std::uint16_t> halves(130);
    if (format == RowType::q8) {
      cpu::expand_q8_row(row.data(), 130, halves.data());
    } else {
      std::memcpy(halves.data(), row.data(), 260);
    }
    EXPECT_TRUE(std::isnan(from_bf16(halves[3])));
    EXPECT_FALSE(std::isfinite(from_bf16(halves[70])));
    EXPECT_EQ(from_bf16(halves[129]), 0.0f);
  }
}

// One query alone, whose blocks are cut into pieces of 8, 4 or 1; and among so many that each has all blocks.
TEST_P(LatentAttention, LongContextInPiecesOfAnyLength) {
  constexpr int kKeys = 9000, kHeads = 60, kHead = 7;
  Cache cache(kKeys, 576, GetParam().format, random_);
  const Queries many({kHeads, 4, 512, 64, 0.05f}, random_);
  const auto row = kHead * 4 + 3;  // the last query of the head
  Queries one({1, 1, 512, 64, 0.05f}, random_);
  one.latent.assign(many.latent.begin() + row * 512, many.latent.begin() + (row + 1) * 512);
  one.pe.assign(many.pe.begin() + row * 64, many.pe.begin() + (row + 1) * 64);

  cpu::set_threads(1);
  const std::vector<float> all = run(kernel(), many, cache, kKeys);
  const std::vector<float> among_many(all.begin() + row * 512, all.begin() + (row + 1) * 512);
  EXPECT_LE(worst_error(among_many, reference(one, cache, kKeys), 512), tolerance());
  for (const int threads : {1, 2, 7}) {
    cpu::set_threads(threads);
    EXPECT_TRUE(same_bits(run(kernel(), one, cache, kKeys), among_many)) << threads;
  }
}

TEST(AttentionKernels, EveryInstructionSetHasAnExactOne) {
  for (const AttentionKernel* kernel : cpu::supported_attention_kernels()) {
    RecordProperty(std::string(kernel->isa) + "_" + kernel->arithmetic, "tested");
  }
  EXPECT_TRUE(cpu::attention_kernel(RowType::f32, 576, false).reads_f32);
  EXPECT_TRUE(cpu::attention_kernel(RowType::bf16, 576, true).exact);
  EXPECT_EQ(77 % cpu::attention_kernel(RowType::bf16, 77, false).width_step, 0);
}

}  // namespace
}  // namespace glimt
