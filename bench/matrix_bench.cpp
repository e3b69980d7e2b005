// Each matrix kernel alone, on matrices of GLM-4.7-Flash's experts (1536 x 2048): GB/s of weights for one activation
// row, GMAC/s for many. The context lines give the machine's read bandwidth and integer peak, which bound them.
#include "machine.h"

#include "kernels/cpu/grouped_matmul.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace glimt::cpu {
namespace {

constexpr int kRows = 1536, kColumns = 2048;
constexpr std::size_t kWorkingSet = std::size_t{256} << 20;  // bytes of weights: far more than the caches hold

struct Kind {
  const char* name;
  Format format;
  int bits;
  int group;
};
constexpr Kind kKinds[] = {{"affine4_g64", Format::affine, 4, 64},
                           {"affine4_g32", Format::affine, 4, 32},
                           {"affine4_g128", Format::affine, 4, 128},
                           {"affine8_g64", Format::affine, 8, 64},
                           {"mxfp4", Format::mxfp4, 4, 32},
                           {"nvfp4", Format::nvfp4, 4, 16},
                           {"mxfp8", Format::mxfp8, 8, 32},
                           {"bf16", Format::bf16, 16, 0},
                           {"f32", Format::f32, 32, 0}};

// Enough matrices of one kind to fill the working set.
class Matrices {
 public:
  explicit Matrices(const Kind& kind) {
    MatrixView view;
    view.format = kind.format;
    view.bits = kind.bits;
    view.group_size = kind.group;
    view.scale_format = Format::bf16;
    view.rows = kRows;
    view.columns = kColumns;
    const std::size_t matrix_bytes = view.row_bytes() * kRows;
    const std::size_t groups =
        kind.group > 0 ? std::size_t{kRows} * kColumns / static_cast<std::size_t>(kind.group) : 0;
    const std::size_t scale_bytes = groups * (kind.format == Format::affine ? 2 : 1);
    bytes_ = matrix_bytes + scale_bytes * (kind.format == Format::affine ? 2 : 1);
    const std::size_t count = kWorkingSet / bytes_ + 1;
    values_.resize(count * matrix_bytes);
    scales_.resize(count * scale_bytes, 0x3c);  // small finite numbers in every scale format
    std::mt19937 random(1);
    for (std::size_t i = 0; i + 4 <= values_.size(); i += 4) {
      // Mantissas and codes are random; the exponent bits of float formats are kept near 1.
      const std::uint32_t mask = kind.format == Format::f32    ? 0x007fffffu
                                 : kind.format == Format::bf16 ? 0x007f007fu
                                                               : 0xffffffffu;
      const std::uint32_t base = kind.format == Format::f32    ? 0x3f000000u
                                 : kind.format == Format::bf16 ? 0x3f003f00u
                                                               : 0u;
      const std::uint32_t word = (static_cast<std::uint32_t>(random()) & mask) | base;
      std::memcpy(&values_[i], &word, sizeof word);
    }
    for (std::size_t i = 0; i < count; ++i) {
      view.values = values_.data() + i * matrix_bytes;
      view.scales = scales_.data() + i * scale_bytes;
      view.biases = view.scales;
      views_.push_back(view);
    }
  }

  const std::vector<MatrixView>& views() const { return views_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<unsigned char> values_, scales_;
  std::vector<MatrixView> views_;
  std::size_t bytes_ = 0;
};

void run(benchmark::State& state, const Kind& kind, int tokens) {
  const Matrices matrices(kind);
  std::vector<float> x(static_cast<std::size_t>(tokens) * kColumns), y(static_cast<std::size_t>(tokens) * kRows);
  std::mt19937 random(2);
  for (float& value : x) value = std::normal_distribution<float>()(random);
  std::vector<const float*> rows;
  for (int t = 0; t < tokens; ++t) rows.push_back(x.data() + static_cast<std::size_t>(t) * kColumns);
  std::size_t next = 0;
  for (auto _ : state) {
    Activations activations(rows, {rows.size()}, kColumns);
    Product product{matrices.views()[next++ % matrices.views().size()], &activations, 0, {}};
    for (int t = 0; t < tokens; ++t) product.y.push_back(y.data() + static_cast<std::size_t>(t) * kRows);
    multiply({&product, 1}, false);
    benchmark::DoNotOptimize(y.data());
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(matrices.bytes()) / 1e9, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] = benchmark::Counter(calls * kRows * kColumns * tokens / 1e9, benchmark::Counter::kIsRate);
}

}  // namespace
}  // namespace glimt::cpu

int main(int argc, char** argv) {
  using namespace glimt::cpu;
  for (const Kind& kind : kKinds) {
    for (const int tokens : {1, 2, 4, 8, 32, 128}) {
      benchmark::RegisterBenchmark(fmt::format("{}/rows:{}", kind.name, tokens).c_str(), [&kind, tokens](
                                                                                             benchmark::State& state) {
        run(state, kind, tokens);
      })->UseRealTime();
    }
  }
  return run_benchmarks(argc, argv);
}
