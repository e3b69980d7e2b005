#include "kernels/cpu/bandwidth.h"

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace glimt::cpu {
namespace {

constexpr std::size_t kWords = std::size_t{1} << 26;  // 512 MiB
constexpr int kPasses = 4;

std::uint64_t sum_of(const std::uint64_t* words, std::size_t count) {
  std::uint64_t lanes[8] = {};
  for (std::size_t i = 0; i < count; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) lanes[j] += words[i + j];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t lane : lanes) total += lane;
  return total;
}

}  // namespace

double measure_read_bandwidth(int threads) {
  std::vector<std::uint64_t> buffer(kWords, 1);
  constexpr std::size_t kBlock = std::size_t{1} << 17;
  constexpr auto kBlocks = static_cast<std::ptrdiff_t>(kWords / kBlock);
  double best = 0;
  std::uint64_t check = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double start = omp_get_wtime();
    std::uint64_t total = 0;
#pragma omp parallel for schedule(static) reduction(+ : total) num_threads(threads)
    for (std::ptrdiff_t b = 0; b < kBlocks; ++b) total += sum_of(buffer.data() + static_cast<std::size_t>(b) * kBlock, kBlock);
    best = std::max(best, static_cast<double>(kWords * sizeof(std::uint64_t)) / (omp_get_wtime() - start));
    check += total;
  }
  return check == kPasses * kWords ? best : 0;  // also keeps the sums from being optimized away
}

}  // namespace glimt::cpu
