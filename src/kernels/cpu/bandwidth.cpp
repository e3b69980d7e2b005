#include "kernels/cpu/bandwidth.h"

#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <chrono>
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

double measure_read_bandwidth() {
  std::vector<std::uint64_t> buffer(kWords, 1);
  constexpr std::size_t kBlock = std::size_t{1} << 17;
  std::vector<std::uint64_t> sums(kWords / kBlock);
  double best = 0;
  std::uint64_t check = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(sums.size(), [&](std::size_t b) { sums[b] = sum_of(buffer.data() + b * kBlock, kBlock); });
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    best = std::max(best, static_cast<double>(kWords * sizeof(std::uint64_t)) / elapsed.count());
    for (const std::uint64_t sum : sums) check += sum;
  }
  return check == kPasses * kWords ? best : 0;  // also keeps the sums from being optimized away
}

}  // namespace glimt::cpu
