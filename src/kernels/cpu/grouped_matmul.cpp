#include "kernels/cpu/grouped_matmul.h"

#include "kernels/cpu/table.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <cstddef>

namespace glimt::cpu {
namespace {

std::atomic<int> g_threads{0};

constexpr int kBlockFloats = 1 << 15;       // a decoded block of weight rows stays in the L2 cache (128 KiB)
constexpr std::size_t kSerialMacs = 1 << 15;  // below this, waking the other threads costs more than it gains

struct Block {
  const Product* product;
  int first_row;
  int rows;
};

std::vector<Block> blocks_of(std::span<const Product> products) {
  std::vector<Block> blocks;
  for (const Product& product : products) {
    if (product.x.empty()) continue;
    const int step = std::clamp(kBlockFloats / std::max(product.w.columns, 1), 4, 64) / 4 * 4;
    for (int row = 0; row < product.w.rows; row += step) {
      blocks.push_back({&product, row, std::min(step, product.w.rows - row)});
    }
  }
  return blocks;
}

void run(const Block& block, const Table& isa) {
  const MatrixView& w = block.product->w;
  const auto columns = static_cast<std::size_t>(w.columns);
  const float* decoded = nullptr;
  static thread_local std::vector<float> scratch;
  if (w.format == Format::f32 && w.global_scale == nullptr) {
    decoded = static_cast<const float*>(w.values) + static_cast<std::size_t>(block.first_row) * columns;
  } else {
    scratch.resize(static_cast<std::size_t>(block.rows) * columns);
    for (int r = 0; r < block.rows; ++r) {
      isa.decode_row(w, block.first_row + r, scratch.data() + static_cast<std::size_t>(r) * columns);
    }
    decoded = scratch.data();
  }
  static thread_local std::vector<float*> y;
  y.assign(block.product->y.begin(), block.product->y.end());
  for (float*& row : y) row += block.first_row;
  isa.dot(block.product->x.data(), static_cast<int>(y.size()), decoded, columns, block.rows, w.columns, y.data());
}

}  // namespace

void multiply(std::span<const Product> products) {
  const Table& isa = table();
  const std::vector<Block> blocks = blocks_of(products);
  std::size_t macs = 0;
  for (const Product& p : products) {
    macs += p.x.size() * static_cast<std::size_t>(p.w.rows) * static_cast<std::size_t>(p.w.columns);
  }
  const auto count = static_cast<std::ptrdiff_t>(blocks.size());
#pragma omp parallel for schedule(static) num_threads(threads()) if (macs > kSerialMacs && count > 1)
  for (std::ptrdiff_t i = 0; i < count; ++i) run(blocks[static_cast<std::size_t>(i)], isa);
}

int threads() {
  const int chosen = g_threads.load(std::memory_order_relaxed);
  return chosen > 0 ? chosen : omp_get_num_procs();
}

void set_threads(int count) { g_threads.store(count, std::memory_order_relaxed); }

}  // namespace glimt::cpu
