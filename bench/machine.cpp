#include "machine.h"

#include "kernels/cpu/bandwidth.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace glimt::cpu {
namespace {

constexpr int kChains = 12;  // independent sums: more than an instruction's latency
constexpr long kRounds = 2'000'000;

// Each runs kRounds times kChains instructions and returns the multiply-adds of one. The sums are written out as
// assembly so that no compiler leaves any of them out.
#if defined(__x86_64__)
__attribute__((target("avx512f,avx512vnni"))) int vpdpbusd_zmm() {
  __m512i sums[kChains], a = _mm512_set1_epi8(1);
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  for (long round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (__m512i& sum : sums) asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(a));
  }
  return 64;
}

__attribute__((target("avx2"))) int vpmaddubsw_ymm() {
  __m256i sums[kChains], a = _mm256_set1_epi8(1);
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  for (long round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      __m256i product;
      asm volatile("vpmaddubsw %2, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(a));
    }
  }
  return 32;
}
#elif defined(__aarch64__)
__attribute__((target("arch=armv8.2-a+dotprod"))) int sdot() {
  int32x4_t sums[kChains] = {};
  int8x16_t a = vdupq_n_s8(1);
  for (long round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int32x4_t& sum : sums) asm volatile("sdot %0.4s, %1.16b, %1.16b" : "+w"(sum) : "w"(a));
  }
  return 16;
}
#endif

using Instruction = int (*)();
Instruction instruction_of(std::string_view isa) {
#if defined(__x86_64__)
  if (isa.starts_with("avx512")) return vpdpbusd_zmm;
  if (isa == "avx2") return vpmaddubsw_ymm;
#elif defined(__aarch64__)
  if (isa == "neon_dotprod") return sdot;
#endif
  static_cast<void>(isa);
  return nullptr;
}

}  // namespace

double measure_integer_peak(std::string_view isa) {
  const Instruction instruction = instruction_of(isa);
  if (instruction == nullptr) return 0;
  const auto count = static_cast<std::size_t>(threads());
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    int macs = 0;
    const auto start = std::chrono::steady_clock::now();
    parallel_for(count, [&](std::size_t thread) {
      const int of_one = instruction();
      if (thread == 0) macs = of_one;
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(macs) * kChains * kRounds * static_cast<double>(count) / seconds);
  }
  return best;
}

int run_benchmarks(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::AddCustomContext("isa", isa().name);
  benchmark::AddCustomContext("threads", std::to_string(threads()));
  benchmark::AddCustomContext("read bandwidth GB/s", fmt::format("{:.1f}", measure_read_bandwidth() / 1e9));
  const double peak = measure_integer_peak(isa().name);
  if (peak > 0) benchmark::AddCustomContext("8-bit peak GMAC/s", fmt::format("{:.0f}", peak / 1e9));
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace glimt::cpu
