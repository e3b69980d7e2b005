// The CUDA kernels of the experts, emulated on the CPU, against plain loops in double.
#include "kernels/cuda/emulate.h"

#include "kernels/cuda/experts_down.cu"
#include "kernels/cuda/experts_gate_up.cu"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace {

constexpr int kWarps = 4;

// `rows` of a matrix with so many columns: of gate and up, or of down.
struct Shape {
  int tokens, columns, rows, experts, top_k;
  bool shared;
  int picks() const { return top_k + (shared ? 1 : 0); }
};

struct Matrix {
  std::vector<unsigned> words;
  std::vector<bf16> scales, biases;
};

class CudaExperts : public ::testing::TestWithParam<Shape> {
 protected:
  std::vector<bf16> random_bf16(std::size_t count, float scale) {
    std::normal_distribution<float> normal(0, scale);
    std::vector<bf16> values(count);
    for (bf16& value : values) value = to_bf16(normal(random_));
    return values;
  }

  Matrix random_matrix(int rows, int columns) {
    const std::size_t size = static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
    Matrix m{std::vector<unsigned>(size / 8), random_bf16(size / 64, 0.01F), random_bf16(size / 64, 0.05F)};
    for (unsigned& word : m.words) word = static_cast<unsigned>(random_());
    return m;
  }

  std::vector<unsigned> random_picks(const Shape& s) {
    std::vector<unsigned> picks(static_cast<std::size_t>(s.tokens * s.top_k));
    for (unsigned& pick : picks) pick = static_cast<unsigned>(random_()) % static_cast<unsigned>(s.experts);
    return picks;
  }

  std::mt19937 random_{7};
};

template <typename T>
double dot(const Matrix& m, std::size_t row, int columns, const T* x) {
  double total = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) {
    const std::size_t at = row * static_cast<std::size_t>(columns) + c;
    const unsigned q = m.words[at / 8] >> 4 * (c % 8) & 15U;
    total += (double{to_float(m.scales[at / 64])} * q + double{to_float(m.biases[at / 64])}) * double{to_float(x[c])};
  }
  return total;
}

// ‖got - want‖ / ‖want‖
double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(difference / size);
}

std::size_t row_of(const Shape& s, const std::vector<unsigned>& picks, int token, int pick, int row, int rows) {
  if (pick == s.top_k) return static_cast<std::size_t>(row);
  const unsigned expert = picks[static_cast<std::size_t>(token * s.top_k + pick)];
  return static_cast<std::size_t>(expert) * static_cast<std::size_t>(rows) + static_cast<std::size_t>(row);
}

dim3 grid(int rows, int y, int z) {
  return {static_cast<unsigned>((rows + kWarps - 1) / kWarps), static_cast<unsigned>(y), static_cast<unsigned>(z)};
}

TEST_P(CudaExperts, GateAndUp) {
  const Shape& s = GetParam();
  const Matrix routed = random_matrix(s.experts * 2 * s.rows, s.columns);
  const Matrix shared = random_matrix(2 * s.rows, s.columns);
  const std::vector<bf16> x = random_bf16(static_cast<std::size_t>(s.tokens * s.columns), 1);
  const std::vector<unsigned> picks = random_picks(s);
  std::vector<float> out(static_cast<std::size_t>(s.tokens * s.picks() * s.rows), std::nanf(""));
  emulate::launch(grid((s.rows + kGateUpRows - 1) / kGateUpRows, s.picks(), s.tokens), {32, kWarps, 1}, [&] {
    experts_gate_up(x.data(), picks.data(), routed.words.data(), routed.scales.data(), routed.biases.data(),
                    shared.words.data(), shared.scales.data(), shared.biases.data(), out.data(), s.columns, s.rows,
                    s.top_k);
  });
  std::vector<double> want;
  for (int t = 0; t < s.tokens; ++t) {
    for (int j = 0; j < s.picks(); ++j) {
      for (int r = 0; r < s.rows; ++r) {
        const Matrix& m = j == s.top_k ? shared : routed;
        const bf16* row = &x[static_cast<std::size_t>(t * s.columns)];
        const std::size_t gate = row_of(s, picks, t, j, r, 2 * s.rows), up = gate + static_cast<std::size_t>(s.rows);
        const double g = dot(m, gate, s.columns, row);
        want.push_back(g / (1 + std::exp(-g)) * dot(m, up, s.columns, row));
      }
    }
  }
  EXPECT_LT(relative_error({out.begin(), out.end()}, want), 1e-5);
}

TEST_P(CudaExperts, Down) {
  const Shape& s = GetParam();
  const Matrix down = random_matrix(s.experts * s.rows, s.columns), shared = random_matrix(s.rows, s.columns);
  std::normal_distribution<float> normal;
  std::vector<float> y(static_cast<std::size_t>(s.tokens * s.picks() * s.columns));
  for (float& value : y) value = normal(random_);
  std::vector<float> scores(static_cast<std::size_t>(s.tokens * s.top_k));
  for (float& score : scores) score = std::abs(normal(random_));
  const std::vector<unsigned> picks = random_picks(s);
  std::vector<bf16> out(static_cast<std::size_t>(s.tokens * s.rows), to_bf16(std::nanf("")));
  emulate::launch(grid(s.rows, 1, s.tokens), {32, kWarps, 1}, [&] {
    experts_down(y.data(), picks.data(), scores.data(), down.words.data(), down.scales.data(), down.biases.data(),
                 shared.words.data(), shared.scales.data(), shared.biases.data(), out.data(), s.columns, s.rows,
                 s.top_k, s.picks());
  });
  std::vector<double> want, got;
  for (int t = 0; t < s.tokens; ++t) {
    for (int r = 0; r < s.rows; ++r) {
      double total = 0;
      for (int j = 0; j < s.picks(); ++j) {
        const bool is_shared = j == s.top_k;
        const double score = is_shared ? 1 : double{scores[static_cast<std::size_t>(t * s.top_k + j)]};
        total += score * dot(is_shared ? shared : down, row_of(s, picks, t, j, r, s.rows), s.columns,
                             &y[static_cast<std::size_t>((t * s.picks() + j) * s.columns)]);
      }
      want.push_back(total);
      got.push_back(to_float(out[static_cast<std::size_t>(t * s.rows + r)]));
    }
  }
  EXPECT_LT(relative_error(got, want), 4e-3);
}

// Rows that fill no block, chunks that fill no warp, more than one round of chunks, no shared expert.
INSTANTIATE_TEST_SUITE_P(Shapes, CudaExperts,
                         ::testing::Values(Shape{1, 64, 10, 3, 1, false}, Shape{2, 192, 9, 7, 4, true},
                                           Shape{3, 1536, 4, 2, 4, true}, Shape{1, 2048, 8, 3, 2, true},
                                           Shape{1, 4096, 3, 2, 1, false}));

}  // namespace
