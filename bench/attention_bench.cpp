// Attention over the latent cache with the shapes of GLM-4.7-Flash (20 heads, rows of 512 + 64), absorbed: every kernel
// of this CPU and every cache type; GB/s of cache rows for few queries, GMAC/s for many.
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

constexpr int kHeads = 20, kLatent = 512, kRope = 64, kWidth = kLatent + kRope;
constexpr std::size_t kWorkingSet = std::size_t{256} << 20;  // bytes of caches: far more than a processor's own hold

struct Case {
  const char* name;
  int queries, keys;
};
constexpr Case kCases[] = {
    {"decode", 1, 256}, {"decode", 1, 4096}, {"decode", 1, 16384}, {"verify", 3, 4096}, {"prefill", 256, 4096}};

struct Type {
  const char* name;
  RowType format;
};
constexpr Type kTypes[] = {{"bf16", RowType::bf16}, {"q8", RowType::q8}, {"f32", RowType::f32}};

// Pairs of a query and a key that it sees, times the multiply-adds of all heads for one.
double macs_of(const Case& c) {
  const double pairs = static_cast<double>(c.queries) * (c.keys - (c.queries - 1) / 2.0);
  return pairs * kHeads * (2 * kLatent + kRope);
}

void run(benchmark::State& state, const AttentionKernel& kernel, const Case& c, RowType format) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const std::size_t bytes = row_bytes(format, kWidth);
  const int blocks = (c.keys + kKeyBlock - 1) / kKeyBlock;
  const std::size_t cache_bytes = static_cast<std::size_t>(blocks) * kKeyBlock * bytes;
  const std::size_t caches = kWorkingSet / cache_bytes + 1;
  std::vector<std::byte> rows(caches * cache_bytes);
  std::vector<float> values(kWidth);
  for (std::size_t at = 0; at < rows.size(); at += bytes) {
    if (at / bytes % 64 < 8) {  // 8 of 64 rows are fresh, the others repeat: this is about time
      for (float& value : values) value = normal(random);
    }
    store_row(format, values.data(), kWidth, rows.data() + at);
  }
  const std::size_t query_rows = static_cast<std::size_t>(kHeads) * static_cast<std::size_t>(c.queries);
  std::vector<float> q_latent(query_rows * kLatent), q_pe(query_rows * kRope), out(query_rows * kLatent);
  for (float& value : q_latent) value = normal(random);
  for (float& value : q_pe) value = normal(random);
  std::vector<int> table(static_cast<std::size_t>(blocks));
  std::iota(table.begin(), table.end(), 0);
  std::size_t next = 0;
  for (auto _ : state) {
    const AttentionSequence sequence{c.queries,
                                     q_latent.data(),
                                     q_pe.data(),
                                     out.data(),
                                     c.queries,
                                     format,
                                     rows.data() + next++ % caches * cache_bytes,
                                     table.data(),
                                     c.keys};
    latent_attention({kHeads, kLatent, kRope, 0.06f}, {&sequence, 1}, kernel);
    benchmark::DoNotOptimize(out.data());
  }
  const auto calls = static_cast<double>(state.iterations());
  state.counters["GB/s"] =
      benchmark::Counter(calls * static_cast<double>(bytes) * c.keys / 1e9, benchmark::Counter::kIsRate);
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
        const std::string name = fmt::format("{}_{}/{}/{}:{}/keys:{}", kernel->isa, kernel->arithmetic, type.name,
                                             c.name, c.queries, c.keys);
        benchmark::RegisterBenchmark(name.c_str(), [kernel, &type, &c](benchmark::State& state) {
          run(state, *kernel, c, type.format);
        })->UseRealTime();
      }
    }
  }
  return run_benchmarks(argc, argv);
}
