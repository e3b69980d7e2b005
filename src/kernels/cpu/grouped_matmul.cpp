#include "kernels/cpu/grouped_matmul.h"

#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>

namespace glimt::cpu {
namespace {

std::atomic<bool> g_exact{false};

constexpr std::size_t kItemBytes = 128 * 1024;  // of weights in an item that is bound by memory: some microseconds
constexpr int kItemRows = kMostPanelRows;       // weight rows in an item that is not
constexpr int kFloatItemRows = 16;            // the same when the rows are decoded to floats (128 KiB at 2048 columns)
constexpr std::size_t kSerialMacs = 1 << 15;  // below this, waking the other threads costs more than it gains
constexpr std::size_t kSerialElements = 1 << 14;

struct Item {
  const Product* product;
  IntegerRows x;  // values == nullptr: float
  int first_row;
  int rows;
};

bool uses_integers(const MatrixView& w) { return !exact() && is_integer(w); }

int rows_per_item(const Product& p) {
  if (!uses_integers(p.w)) return kFloatItemRows;
  if (p.y.size() > static_cast<std::size_t>(kFewRows)) return kItemRows;
  const auto rows = static_cast<int>(kItemBytes / std::max<std::size_t>(p.w.row_bytes(), 1));
  return std::clamp(rows, 4, 1024) / 4 * 4;
}

std::vector<Item> items_of(std::span<const Product> products) {
  std::vector<Item> items;
  for (const Product& p : products) {
    if (p.y.empty()) continue;
    IntegerRows x;
    if (uses_integers(p.w)) x = p.x->integers(p.w.group_size, p.w.bits == 4);
    const int step = rows_per_item(p);
    for (int row = 0; row < p.w.rows; row += step) items.push_back({&p, x, row, std::min(step, p.w.rows - row)});
  }
  return items;
}

// Where the item's results go: the products' rows of y, moved to its first weight row.
const std::vector<float*>& outputs_of(const Item& item) {
  static thread_local std::vector<float*> y;
  y.assign(item.product->y.begin(), item.product->y.end());
  for (float*& row : y) row += item.first_row;
  return y;
}

// Scales and biases of the item's rows as floats, in memory that lasts until the thread's next item.
void expand_scales(const Item& item, const Table& isa, IntegerWeights& weights) {
  const MatrixView& w = item.product->w;
  weights.group_stride = padded_groups(w.columns, w.group_size);
  static thread_local std::vector<float> scales, biases;
  const auto rows = static_cast<std::size_t>(item.rows);
  scales.resize(rows * weights.group_stride);
  biases.resize(rows * weights.group_stride);
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t at = r * weights.group_stride;
    isa.expand_scales(w, item.first_row + static_cast<int>(r), scales.data() + at, biases.data() + at);
  }
  weights.scales = scales.data();
  weights.biases = biases.data();
}

// Of this thread, until its next item.
void* scratch_of(const MatrixView& w) {
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  static thread_local std::vector<Line> scratch;
  const std::size_t lines = scratch_bytes(w.columns, w.group_size) / sizeof(Line) + 1;
  if (scratch.size() < lines) scratch.resize(lines);
  return scratch.data();
}

void run_integer(const Item& item, const Table& isa) {
  const MatrixView& w = item.product->w;
  IntegerWeights weights;
  weights.row_bytes = w.row_bytes();
  weights.values =
      static_cast<const unsigned char*>(w.values) + static_cast<std::size_t>(item.first_row) * weights.row_bytes;
  weights.columns = w.columns;
  weights.bits = w.bits;
  weights.group = w.group_size;
  weights.e2m1 = w.format != Format::affine;
  if (isa.reads_bf16_scales && w.format == Format::affine && w.scale_format == Format::bf16 &&
      w.global_scale == nullptr) {
    const std::size_t skipped =
        static_cast<std::size_t>(item.first_row) * static_cast<std::size_t>(w.columns / w.group_size);
    weights.bf16_scales = static_cast<const std::uint16_t*>(w.scales) + skipped;
    weights.bf16_biases = static_cast<const std::uint16_t*>(w.biases) + skipped;
  } else {
    expand_scales(item, isa, weights);
  }
  const std::vector<float*>& y = outputs_of(item);
  IntegerRows x = item.x;
  x.values += item.product->first * x.stride;
  x.scales += item.product->first * x.group_stride;
  x.sums += item.product->first * x.group_stride;
  isa.dot_integer(weights, item.rows, x, static_cast<int>(y.size()), y.data(), scratch_of(w));
}

void run_float(const Item& item, const Table& isa) {
  const MatrixView& w = item.product->w;
  const auto columns = static_cast<std::size_t>(w.columns);
  const float* decoded = nullptr;
  static thread_local std::vector<float> scratch;
  if (w.format == Format::f32 && w.global_scale == nullptr) {
    decoded = static_cast<const float*>(w.values) + static_cast<std::size_t>(item.first_row) * columns;
  } else {
    scratch.resize(static_cast<std::size_t>(item.rows) * columns);
    for (int r = 0; r < item.rows; ++r) {
      isa.decode_row(w, item.first_row + r, scratch.data() + static_cast<std::size_t>(r) * columns);
    }
    decoded = scratch.data();
  }
  const std::vector<float*>& y = outputs_of(item);
  isa.dot(item.product->x->rows().data() + item.product->first, static_cast<int>(y.size()), decoded, columns, item.rows,
          w.columns, y.data());
}

}  // namespace

IntegerRows Activations::integers(int group, bool interleave) {
  const std::size_t stride = padded_columns(columns_), group_stride = padded_groups(columns_, group);
  auto form = std::find_if(forms_.begin(), forms_.end(),
                           [&](const Form& f) { return f.group == group && f.interleave == interleave; });
  if (form == forms_.end()) {
    const std::size_t rows = rows_.size();
    forms_.push_back({group, interleave, std::vector<std::int8_t>(rows * stride),
                      std::vector<float>(rows * group_stride), std::vector<float>(rows * group_stride)});
    form = forms_.end() - 1;
    const Table& isa = table();
    const auto quantize = [&](std::size_t r) {
      isa.quantize_row(rows_[r], columns_, group, interleave, form->values.data() + r * stride,
                       form->scales.data() + r * group_stride, form->sums.data() + r * group_stride);
    };
    if (rows * static_cast<std::size_t>(columns_) > kSerialElements && rows > 1) {
      parallel_for(rows, quantize);
    } else {
      for (std::size_t r = 0; r < rows; ++r) quantize(r);
    }
  }
  return {form->values.data(), form->scales.data(), form->sums.data(), stride, group_stride};
}

void multiply(std::span<const Product> products) {
  const Table& isa = table();
  const std::vector<Item> items = items_of(products);
  std::size_t macs = 0;
  for (const Product& p : products)
    macs += p.y.size() * static_cast<std::size_t>(p.w.rows) * static_cast<std::size_t>(p.w.columns);
  const auto run = [&](std::size_t i) {
    const Item& item = items[i];
    if (item.x.values != nullptr) {
      run_integer(item, isa);
    } else {
      run_float(item, isa);
    }
  };
  if (macs > kSerialMacs) {
    parallel_for(items.size(), run);
  } else {
    for (std::size_t i = 0; i < items.size(); ++i) run(i);
  }
}

bool exact() { return g_exact.load(std::memory_order_relaxed); }

void set_exact(bool exact) { g_exact.store(exact, std::memory_order_relaxed); }

}  // namespace glimt::cpu
