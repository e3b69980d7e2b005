#include "kernels/cpu/grouped_matmul.h"

#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <numeric>
#include <type_traits>
#include <unordered_map>

namespace glimt::cpu {
namespace {

// Of weights in an item that is bound by memory: some microseconds' worth, and many items a thread.
constexpr std::size_t kLeastItemBytes = 32 * 1024, kMostItemBytes = 512 * 1024;
constexpr std::size_t kMostWidenedBytes = 64 * 1024;  // where codes are widened first: they stay in the cache
constexpr std::size_t kStreamedItemsPerThread = 16;
constexpr int kItemRows = 8 * kMostPanelRows;     // weight rows in an item that is not, while there are enough items
constexpr int kFewItemRows = 2 * kMostPanelRows;  // and otherwise
constexpr std::size_t kItemsPerThread = 4;        // that many are enough to share out evenly
constexpr int kFloatItemRows = 16;            // the same when the rows are decoded to floats (128 KiB at 2048 columns)
constexpr std::size_t kSerialMacs = 1 << 15;  // below this, waking the other threads costs more than it gains
constexpr std::size_t kSerialElements = 1 << 14;

struct Item {
  const Product* product;
  IntegerRows x;  // values == nullptr: float
  int first_row;
  int rows;
};

// Whether dot_integer wants that many activation rows in tiles.
bool in_tiles(std::size_t rows) { return rows > static_cast<std::size_t>(kFewRows) && isa().tile_rows > 0; }

const unsigned char* weights_of(const Item& item) {
  return static_cast<const unsigned char*>(item.product->w.values) +
         static_cast<std::size_t>(item.first_row) * item.product->w.row_bytes();
}

// The products' weight rows in pieces, which are numbered but not stored: a token's weights have many thousands.
class Items {
 public:
  Items(std::span<const Product> products, bool exact) {
    const auto threads = static_cast<std::size_t>(cpu::threads());
    std::size_t rows = 0, bytes = 0;
    for (const Product& p : products) {
      rows += static_cast<std::size_t>(p.w.rows);
      bytes += static_cast<std::size_t>(p.w.rows) * p.w.row_bytes();
    }
    const bool enough = rows / kItemRows >= kItemsPerThread * threads;
    const std::size_t item_bytes =
        std::clamp(bytes / (kStreamedItemsPerThread * threads), kLeastItemBytes, kMostItemBytes);
    parts_.reserve(products.size());
    for (const Product& p : products) {
      if (p.y.empty() || p.w.rows == 0) continue;
      const int bits = exact ? 0 : integer_bits(p.w);
      const bool integers = bits > 0;
      IntegerRows x;
      if (integers) x = p.x->integers(p.w.group_size, bits == 4);
      const int step = integers ? rows_per_item(p, enough ? kItemRows : kFewItemRows, item_bytes) : kFloatItemRows;
      parts_.push_back({&p, x, step, count_});
      count_ += static_cast<std::size_t>((p.w.rows + step - 1) / step);
    }
  }

  std::size_t count() const { return count_; }

  Item at(std::size_t i) const {
    const auto behind = std::upper_bound(parts_.begin(), parts_.end(), i,
                                         [](std::size_t item, const Part& part) { return item < part.first; });
    const Part& part = *std::prev(behind);
    const int row = static_cast<int>(i - part.first) * part.rows;
    return {part.product, part.x, row, std::min(part.rows, part.product->w.rows - row)};
  }

  // The weights that items first .. last begin with; nothing if they are not bound by memory.
  MemoryRange first_reads(std::size_t first, std::size_t last) const {
    const Item from = at(first), to = at(last - 1);
    if (in_tiles(from.product->y.size())) return {};
    const int end = to.product == from.product ? to.first_row + to.rows : from.product->w.rows;
    return {weights_of(from), static_cast<std::size_t>(end - from.first_row) * from.product->w.row_bytes()};
  }

 private:
  struct Part {
    const Product* product;
    IntegerRows x;
    int rows;           // of an item
    std::size_t first;  // item
  };

  static int rows_per_item(const Product& p, int many_rows, std::size_t bytes) {
    if (in_tiles(p.y.size())) return many_rows;
    if (integer_bits(p.w) != p.w.bits) bytes = std::min(bytes, kMostWidenedBytes);
    const auto rows = static_cast<int>(bytes / std::max<std::size_t>(p.w.row_bytes(), 1));
    return std::clamp(rows, kMostPanelRows, 1024) / kMostPanelRows * kMostPanelRows;
  }

  std::vector<Part> parts_;
  std::size_t count_ = 0;
};

// Where the item's results go: the products' rows of y, moved to its first weight row.
const std::vector<float*>& outputs_of(const Item& item) {
  static thread_local std::vector<float*> y;
  y.assign(item.product->y.begin(), item.product->y.end());
  for (float*& row : y) row += item.first_row;
  return y;
}

// Scales and biases of the item's rows as floats, in memory that lasts until the thread's next item.
void expand_scales(const Item& item, const Isa& isa, IntegerWeights& weights) {
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

// The item's codes as the products take them, in memory that lasts until the thread's next item.
const unsigned char* widened_codes(const Item& item, int bits, const Isa& isa) {
  const MatrixView& w = item.product->w;
  const std::size_t count = static_cast<std::size_t>(item.rows) * static_cast<std::size_t>(w.columns);
  static thread_local std::vector<unsigned char> codes;
  codes.resize(std::max(codes.size(), count * static_cast<std::size_t>(bits) / 8));
  isa.widen_codes(weights_of(item), w.bits, count, codes.data());
  return codes.data();
}

void run_integer(const Item& item, const Isa& isa) {
  const MatrixView& w = item.product->w;
  IntegerWeights weights;
  weights.bits = integer_bits(w);
  weights.row_bytes = static_cast<std::size_t>(w.columns) * static_cast<std::size_t>(weights.bits) / 8;
  weights.values = weights.bits == w.bits ? weights_of(item) : widened_codes(item, weights.bits, isa);
  weights.columns = w.columns;
  weights.group = w.group_size;
  weights.e2m1 = w.format != Format::affine;
  if (isa.reads_bf16_scales && w.format == Format::affine && w.scale_format == Format::bf16 &&
      w.global_scale == nullptr) {
    const std::size_t skipped = static_cast<std::size_t>(item.first_row) *
                                static_cast<std::size_t>(w.columns / w.group_size) * sizeof(std::uint16_t);
    weights.bf16_scales = static_cast<const unsigned char*>(w.scales) + skipped;
    weights.bf16_biases = static_cast<const unsigned char*>(w.biases) + skipped;
  } else {
    expand_scales(item, isa, weights);
  }
  const std::vector<float*>& y = outputs_of(item);
  const IntegerRows x = item.x.from(item.product->first);
  const Buffer<std::byte> scratch =
      in_tiles(y.size()) ? Buffer<std::byte>(scratch_bytes(w.columns, w.group_size)) : Buffer<std::byte>();
  isa.dot_integer(weights, item.rows, x, static_cast<int>(y.size()), y.data(), scratch.data());
}

void run_float(const Item& item, const Isa& isa) {
  const MatrixView& w = item.product->w;
  const auto columns = static_cast<std::size_t>(w.columns);
  const std::vector<float*>& y = outputs_of(item);
  const float* const* x = item.product->x->rows().data() + item.product->first;
  const int rows_x = static_cast<int>(y.size());
  if (w.format == Format::bf16 && w.global_scale == nullptr && rows_x <= kFewRows) {
    isa.dot_bf16(x, rows_x, weights_of(item), columns, item.rows, w.columns, y.data());
    return;
  }
  const void* decoded = nullptr;
  static thread_local std::vector<float> scratch;
  if (w.format == Format::f32 && w.global_scale == nullptr) {
    decoded = weights_of(item);
  } else {
    scratch.resize(static_cast<std::size_t>(item.rows) * columns);
    for (int r = 0; r < item.rows; ++r) {
      isa.decode_row(w, item.first_row + r, scratch.data() + static_cast<std::size_t>(r) * columns);
    }
    decoded = scratch.data();
  }
  isa.dot(x, rows_x, decoded, columns, item.rows, w.columns, y.data());
}

}  // namespace

bool Activations::worth_threads() const {
  return rows_.size() > 1 && rows_.size() * static_cast<std::size_t>(columns_) > kSerialElements;
}

// rows_[rows[i]] to row i of `out`.
void Activations::quantize(const std::vector<std::size_t>& rows, const IntegerForm& form, const Integers& out) const {
  parallel_for_if(worth_threads(), rows.size(), [&](std::size_t i) {
    isa().quantize_row(rows_[rows[i]], columns_, form.group, form.interleave, out.values.data() + i * out.stride,
                       out.scales.data() + i * out.group_stride, out.sums.data() + i * out.group_stride);
  });
}

// Row r of `out` is row source[r] of `from`; products with many rows get them in tiles.
void Activations::arrange(const Integers& from, const std::vector<std::size_t>& source, const Integers& out) const {
  struct Tile {
    std::size_t first;
    int height;
  };
  std::vector<Tile> tiles;
  std::size_t first = 0;
  for (const std::size_t count : counts_) {
    const int rows = static_cast<int>(count), most = in_tiles(count) ? isa().tile_rows : 1;
    const int of_product = tile_count(rows, most);
    for (int t = 0; t < of_product; ++t) {
      tiles.push_back({first, tile_height(rows, of_product, t)});
      first += static_cast<std::size_t>(tiles.back().height);
    }
  }
  parallel_for_if(worth_threads(), tiles.size(), [&](std::size_t i) {
    const Tile tile = tiles[i];
    const auto copy = [&](const auto& of, std::size_t stride, auto& to) {
      using T = std::remove_pointer_t<decltype(to.data())>;
      const T* at[kMostTileRows];
      for (int r = 0; r < tile.height; ++r)
        at[r] = of.data() + source[tile.first + static_cast<std::size_t>(r)] * stride;
      T* out_at = to.data() + tile.first * stride;
      if (tile.height == 1) {
        std::copy_n(at[0], stride, out_at);
      } else {
        const void* const* rows = reinterpret_cast<const void* const*>(at);
        isa().interleave_rows(rows, tile.height, stride * sizeof(T) / sizeof(float), out_at);
      }
    };
    copy(from.values, out.stride, out.values);
    copy(from.scales, out.group_stride, out.scales);
    copy(from.sums, out.group_stride, out.sums);
  });
}

IntegerRows Activations::integers(int group, bool interleave) {
  const auto same = [&](const IntegerForm& f) { return f.group == group && f.interleave == interleave; };
  auto form = std::find_if(forms_.begin(), forms_.end(), same);
  if (form != forms_.end()) return form->rows.from(0);

  forms_.push_back({group, interleave, Integers(rows_.size(), columns_, group)});
  form = forms_.end() - 1;
  // The rows that are not repeats, and where in these each row is.
  std::vector<std::size_t> distinct, source(rows_.size());
  if (repeats_ == Repeats::yes) {
    std::unordered_map<const float*, std::size_t> known;
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const auto [at, fresh] = known.try_emplace(rows_[r], distinct.size());
      if (fresh) distinct.push_back(r);
      source[r] = at->second;
    }
  } else {
    distinct.resize(rows_.size());
    std::iota(distinct.begin(), distinct.end(), std::size_t{0});
    source = distinct;
  }
  const bool as_they_are = distinct.size() == rows_.size() && std::none_of(counts_.begin(), counts_.end(), in_tiles);
  if (as_they_are) {
    quantize(distinct, *form, form->rows);
  } else {
    const Integers plain(distinct.size(), columns_, group);
    quantize(distinct, *form, plain);
    arrange(plain, source, form->rows);
  }
  return form->rows.from(0);
}

void multiply(std::span<const Product> products, bool exact) {
  const Isa& loops = isa();
  const Items items(products, exact);
  std::size_t macs = 0;
  for (const Product& p : products)
    macs += p.y.size() * static_cast<std::size_t>(p.w.rows) * static_cast<std::size_t>(p.w.columns);
  const auto run = [&](std::size_t i) {
    const Item item = items.at(i);
    if (item.x.values != nullptr) {
      run_integer(item, loops);
    } else {
      run_float(item, loops);
    }
  };
  if (macs > kSerialMacs) {
    parallel_for(items.count(), run,
                 [&](std::size_t first, std::size_t last) { return items.first_reads(first, last); });
  } else {
    parallel_for_if(false, items.count(), run);
  }
}

}  // namespace glimt::cpu
