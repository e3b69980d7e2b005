// Attention with the shapes of GLM-4.7-Flash: every kernel of this CPU and every cache type. Absorbed (20 heads share
// rows of 512 + 64), and expanded (a head has keys of 192 + 64 and values of 256). GB/s of the rows for few queries,
// GMAC/s for many.
#include "machine.h"

#include "kernels/cpu/attention.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/mla_rows.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <numeric>
#include <random>
#include <string_view>
#include <vector>

namespace glimt::cpu {
namespace {

struct Form {
  const char* name;
  AttentionShape shape;
  bool values_apart;
};
constexpr Form kAbsorbed{"absorbed", {20, {512, 64, 512}, 0.06f}, false};
constexpr Form kExpanded{"expanded", {1, {192, 64, 256}, 0.06f}, true};

constexpr std::size_t kWorkingSet = std::size_t{256} << 20;  // bytes of caches: far more than a processor's own hold

struct Case {
  const char* name;
  const Form& form;
  int queries, keys;
};
constexpr Case kCases[] = {{"decode", kAbsorbed, 1, 256},     {"decode", kAbsorbed, 1, 4096},
                           {"decode", kAbsorbed, 1, 16384},   {"verify", kAbsorbed, 3, 4096},
                           {"prefill", kAbsorbed, 256, 4096}, {"prefill", kExpanded, 2048, 8192}};

struct Type {
  const char* name;
  RowType format;
};
constexpr Type kTypes[] = {{"bf16", RowType::bf16}, {"q8", RowType::q8}, {"f32", RowType::f32}};

// Pairs of a query and a key that it sees, times the multiply-adds of all heads for one.
double macs_of(const Case& c) {
  const AttentionShape& shape = c.form.shape;
  const double pairs = static_cast<double>(c.queries) * (c.keys - (c.queries - 1) / 2.0);
  return pairs * shape.heads * (shape.widths.keys() + shape.widths.values);
}

class Random {
 public:
  std::vector<float> floats(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = normal_(random_);
    return values;
  }

  // 8 of 64 rows are fresh, the others repeat: this is about time.
  std::vector<std::byte> rows(RowType format, int width, std::size_t count) {
    const std::size_t bytes = row_bytes(format, width);
    std::vector<std::byte> rows(count * bytes);
    std::vector<float> values;
    for (std::size_t row = 0; row < count; ++row) {
      if (row % 64 < 8) values = floats(static_cast<std::size_t>(width));
      store_row(format, values.data(), width, rows.data() + row * bytes);
    }
    return rows;
  }

 private:
  std::mt19937 random_{1};
  std::normal_distribution<float> normal_;
};

void run(benchmark::State& state, const AttentionKernel& kernel, const Case& c, RowType format) {
  const AttentionWidths& widths = c.form.shape.widths;
  const std::size_t key_bytes = row_bytes(format, widths.keys()), value_bytes = row_bytes(format, widths.values);
  const int blocks = (c.keys + kKeyBlock - 1) / kKeyBlock;
  const std::size_t cache_rows = static_cast<std::size_t>(blocks) * kKeyBlock;
  const std::size_t caches = kWorkingSet / (cache_rows * key_bytes) + 1;
  Random random;
  const std::vector<std::byte> keys = random.rows(format, widths.keys(), caches * cache_rows);
  const std::vector<std::byte> values =
      random.rows(format, widths.values, c.form.values_apart ? caches * cache_rows : 0);
  const auto query_rows = static_cast<std::size_t>(c.form.shape.heads) * static_cast<std::size_t>(c.queries);
  const std::vector<float> first = random.floats(query_rows * static_cast<std::size_t>(widths.first));
  const std::vector<float> rope = random.floats(query_rows * static_cast<std::size_t>(widths.rope));
  std::vector<float> out(query_rows * static_cast<std::size_t>(widths.values));
  std::vector<int> table(static_cast<std::size_t>(blocks));
  std::iota(table.begin(), table.end(), 0);
  AttentionSequence sequence;
  sequence.queries = sequence.head_stride = c.queries;
  sequence.q_first = first.data();
  sequence.q_pe = rope.data();
  sequence.out = out.data();
  sequence.format = format;
  sequence.blocks = table.data();
  sequence.keys = c.keys;
  std::size_t next = 0;
  for (auto _ : state) {
    const std::size_t row = next++ % caches * cache_rows;
    sequence.rows = keys.data() + row * key_bytes;
    sequence.values = c.form.values_apart ? values.data() + row * value_bytes : nullptr;
    latent_attention(c.form.shape, {&sequence, 1}, kernel);
    benchmark::DoNotOptimize(out.data());
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(key_bytes) * c.keys / 1e9, benchmark::Counter::kIsRate);
  state.counters["GMAC/s"] = benchmark::Counter(calls * macs_of(c) / 1e9, benchmark::Counter::kIsRate);
}

}  // namespace
}  // namespace glimt::cpu

int main(int argc, char** argv) {
  using namespace glimt::cpu;
  for (const AttentionKernel* kernel : supported_attention_kernels()) {
    if (std::string_view(kernel->isa) == "scalar") continue;  // seconds a call
    for (const Type& type : kTypes) {
      if (type.format == RowType::f32 && !kernel->reads_f32) continue;
      for (const Case& c : kCases) {
        if (c.form.values_apart && type.format == RowType::q8) continue;  // made from latents, never stored
        const std::string name = fmt::format("{}_{}/{}/{}/{}:{}/keys:{}", kernel->isa, kernel->arithmetic, type.name,
                                             c.form.name, c.name, c.queries, c.keys);
        benchmark::RegisterBenchmark(name.c_str(), [kernel, &type, &c](benchmark::State& state) {
          run(state, *kernel, c, type.format);
        })->UseRealTime();
      }
    }
  }
  return run_benchmarks(argc, argv);
}
