// The CUDA kernel that turns queries and stores cache rows, emulated on the CPU, against plain loops in double.
#include "kernels/cuda/emulate.h"

#include "kernels/cuda/mla_store.cu"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace {

struct Sizes {
  int heads, nope, rope, latent;
  bool interleaved;
};

class CudaMlaStore : public ::testing::TestWithParam<Sizes> {
 protected:
  std::vector<bf16> random(int count) {
    std::normal_distribution<float> normal;
    std::vector<bf16> values(static_cast<std::size_t>(count));
    for (bf16& value : values) value = to_bf16(normal(random_));
    return values;
  }
  std::mt19937 random_{5};
};

// The columns of a complex product: what rotary embedding is. turns: a cosine and a sine a pair.
std::vector<double> turned_columns(const bf16* x, const Sizes& s, const float* turns) {
  std::vector<double> result(static_cast<std::size_t>(s.rope));
  for (int p = 0; p < s.rope / 2; ++p) {
    const int a = s.interleaved ? 2 * p : p, b = s.interleaved ? 2 * p + 1 : p + s.rope / 2;
    const double cosine{turns[2 * p]}, sine{turns[2 * p + 1]}, first{to_float(x[a])}, second{to_float(x[b])};
    result[static_cast<std::size_t>(a)] = first * cosine - second * sine;
    result[static_cast<std::size_t>(b)] = first * sine + second * cosine;
  }
  return result;
}

void expect_near(bf16 got, double want) { EXPECT_NEAR(to_float(got), want, std::abs(want) * 4e-3 + 2e-6); }

TEST_P(CudaMlaStore, TurnsQueriesAndStoresRows) {
  const Sizes& s = GetParam();
  const std::vector<int> rows = {4, 0, 2};
  const int tokens = 3, width = s.latent + s.rope, dims = s.nope + s.rope, cache_rows = 6;
  const std::vector<bf16> q = random(tokens * s.heads * dims), kv = random(tokens * width);
  const std::vector<bf16> before = random(cache_rows * width);
  std::vector<bf16> cache = before, turned(q.size(), 0xFFFF);
  const std::vector<bf16> norm = random(s.latent);
  std::vector<float> turns;
  for (int i = 0; i < tokens * s.rope / 2; ++i) {
    turns.push_back(std::cos(static_cast<float>(i)));
    turns.push_back(std::sin(static_cast<float>(i)));
  }
  emulate::launch({static_cast<unsigned>(s.heads) + 1, tokens, 1}, {32, 2, 1}, [&] {
    mla_store(q.data(), kv.data(), norm.data(), turns.data(), rows.data(), cache.data(), turned.data(), s.heads, s.nope,
              s.rope, s.latent, s.interleaved, 1e-5F, 1.25F);
  });

  for (int i = 0; i < tokens * s.heads; ++i) {
    const std::size_t at = static_cast<std::size_t>(i * dims), pe = at + static_cast<std::size_t>(s.nope);
    for (std::size_t c = at; c < pe; ++c) ASSERT_EQ(turned[c], q[c]);
    const std::vector<double> want = turned_columns(&q[pe], s, &turns[static_cast<std::size_t>(i / s.heads * s.rope)]);
    for (std::size_t c = 0; c < want.size(); ++c) expect_near(turned[pe + c], want[c]);
  }
  std::vector<bool> written(static_cast<std::size_t>(cache_rows));
  for (std::size_t t = 0; t < rows.size(); ++t) {
    const bf16* own = &kv[t * static_cast<std::size_t>(width)];
    const bf16* row = &cache[static_cast<std::size_t>(rows[t] * width)];
    written[static_cast<std::size_t>(rows[t])] = true;
    double squares = 0;
    for (int c = 0; c < s.latent; ++c) squares += double{to_float(own[c])} * double{to_float(own[c])};
    const double factor = 1 / std::sqrt(squares / s.latent + 1e-5);
    for (int c = 0; c < s.latent; ++c) {
      expect_near(row[c], double{to_float(own[c])} * factor * double{to_float(norm[static_cast<std::size_t>(c)])});
    }
    const std::vector<double> pe = turned_columns(own + s.latent, s, &turns[t * static_cast<std::size_t>(s.rope)]);
    for (int c = 0; c < s.rope; ++c) expect_near(row[s.latent + c], pe[static_cast<std::size_t>(c)] * 1.25);
  }
  for (std::size_t i = 0; i < cache.size(); ++i) {
    if (written[i / static_cast<std::size_t>(width)]) continue;
    ASSERT_EQ(cache[i], before[i]) << "a row of somebody else";
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, CudaMlaStore,
                         ::testing::Values(Sizes{2, 6, 4, 10, true}, Sizes{3, 5, 8, 33, false},
                                           Sizes{1, 192, 64, 512, true}));

}  // namespace
