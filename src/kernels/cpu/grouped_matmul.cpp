#include "kernels/cpu/grouped_matmul.h"

#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

namespace glimt::cpu {
namespace {

std::atomic<bool> g_exact{false};

constexpr std::size_t kItemBytes = 128 * 1024;  // of weights in an item that is bound by memory: some microseconds
constexpr int kItemRows = 4 * kMostPanelRows;   // weight rows in an item that is not, while there are enough items
constexpr std::size_t kItemsPerThread = 4;      // that many are enough to share out evenly
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

int rows_per_item(const Product& p, int many_rows) {
  if (!uses_integers(p.w)) return kFloatItemRows;
  if (p.y.size() > static_cast<std::size_t>(kFewRows)) return many_rows;
  const auto rows = static_cast<int>(kItemBytes / std::max<std::size_t>(p.w.row_bytes(), 1));
  return std::clamp(rows, 4, 1024) / 4 * 4;
}

std::vector<Item> items_of(std::span<const Product> products) {
  std::size_t rows = 0;
  for (const Product& p : products) rows += static_cast<std::size_t>(p.w.rows);
  const bool enough = rows / kItemRows >= kItemsPerThread * static_cast<std::size_t>(threads());
  std::vector<Item> items;
  for (const Product& p : products) {
    if (p.y.empty()) continue;
    IntegerRows x;
    if (uses_integers(p.w)) x = p.x->integers(p.w.group_size, p.w.bits == 4);
    const int step = rows_per_item(p, enough ? kItemRows : kMostPanelRows);
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
  const IntegerRows x = item.x.from(item.product->first);
  const bool few = y.size() <= static_cast<std::size_t>(kFewRows);
  const Buffer<std::byte> scratch =
      few ? Buffer<std::byte>() : Buffer<std::byte>(scratch_bytes(w.columns, w.group_size));
  isa.dot_integer(weights, item.rows, x, static_cast<int>(y.size()), y.data(), scratch.data());
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

void Activations::quantize(const Form& form, std::size_t stride, std::size_t group_stride) const {
  const bool parallel = rows_.size() > 1 && rows_.size() * static_cast<std::size_t>(columns_) > kSerialElements;
  const auto for_each = [parallel](std::size_t count, const auto& body) {
    if (parallel) {
      parallel_for(count, body);
    } else {
      for (std::size_t i = 0; i < count; ++i) body(i);
    }
  };
  const Table& isa = table();
  const auto compute = [&](std::size_t r) {
    isa.quantize_row(rows_[r], columns_, form.group, form.interleave, form.values.data() + r * stride,
                     form.scales.data() + r * group_stride, form.sums.data() + r * group_stride);
  };
  if (repeats_ == Repeats::no) {
    for_each(rows_.size(), compute);
    return;
  }
  std::unordered_map<const float*, std::size_t> first_of;
  std::vector<std::size_t> firsts, source(rows_.size());  // rows that are new; where each row is first
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    source[r] = first_of.try_emplace(rows_[r], r).first->second;
    if (source[r] == r) firsts.push_back(r);
  }
  for_each(firsts.size(), [&](std::size_t i) { compute(firsts[i]); });
  for_each(rows_.size(), [&](std::size_t r) {
    const std::size_t from = source[r];
    if (from == r) return;
    std::copy_n(form.values.data() + from * stride, stride, form.values.data() + r * stride);
    std::copy_n(form.scales.data() + from * group_stride, group_stride, form.scales.data() + r * group_stride);
    std::copy_n(form.sums.data() + from * group_stride, group_stride, form.sums.data() + r * group_stride);
  });
}

IntegerRows Activations::integers(int group, bool interleave) {
  const std::size_t stride = padded_columns(columns_), group_stride = padded_groups(columns_, group);
  auto form = std::find_if(forms_.begin(), forms_.end(),
                           [&](const Form& f) { return f.group == group && f.interleave == interleave; });
  if (form == forms_.end()) {
    const std::size_t rows = rows_.size();
    forms_.push_back({group, interleave, Buffer<std::int8_t>(rows * stride), Buffer<float>(rows * group_stride),
                      Buffer<float>(rows * group_stride)});
    form = forms_.end() - 1;
    quantize(*form, stride, group_stride);
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
