#include "kernels/array_rows.h"

#include "base/error.h"
#include "kernels/plain.h"

#include <cstring>
#include <utility>

namespace glimt::kernels {
namespace {

mx::Dtype dtype_of(RowType type) {
  switch (type) {
    case RowType::f32: return mx::float32;
    case RowType::bf16: return mx::bfloat16;
    case RowType::q8: break;
  }
  fail(ErrorKind::unsupported, "cache type q8", "needs our CPU kernels; this backend has f32 and bf16");
}

// MLX copies from typed iterators only: the values are taken as integers of their size and reinterpreted.
template <typename Raw>
mx::array from_bytes(std::span<const std::byte> bytes, const mx::Shape& shape, mx::Dtype dtype) {
  std::vector<Raw> raw(bytes.size() / sizeof(Raw));
  std::memcpy(raw.data(), bytes.data(), bytes.size());
  return mx::view(mx::array(raw.begin(), shape, mx::TypeToDtype<Raw>()), dtype);
}

// Values with a buffer of their own: a slice shares the pool's, which MLX would copy as a whole before it changes a
// part.
mx::array copied(const mx::array& part) {
  const mx::Dtype raw = part.itemsize() == 4 ? mx::uint32 : mx::uint16;
  mx::array copy = mx::view(mx::bitwise_or(mx::view(part, raw), mx::array(0, raw)), part.dtype());
  mx::eval(copy);
  return copy;
}

}  // namespace

ArrayRows::ArrayRows(RowType type, int width, int blocks)
    : PagedRows(type, width), array_(mx::zeros({blocks * kBlockRows, width}, dtype_of(type))) {
  mx::eval(*array_);
}

// Rows `row` … and columns `column` … become `part`. The only reference to the storage moves into the graph, so that
// MLX updates the buffer in place.
void ArrayRows::update(int row, int column, const mx::array& part) {
  const mx::array storage = *std::exchange(array_, std::nullopt);
  array_ =
      mx::slice_update(storage, part, mx::Shape{row, column}, mx::Shape{row + part.shape(0), column + part.shape(1)});
}

void ArrayRows::store(const plain::StepArrays& step, const std::vector<mx::array>& parts) {
  const mx::Dtype dtype = array().dtype();
  if (step.runs.size() == 1) {
    int column = 0;
    for (const mx::array& part : parts) {
      update(step.runs[0].to, column, mx::astype(part, dtype));
      column += part.shape(1);
    }
    return;
  }
  const mx::array rows = mx::expand_dims(mx::astype(mx::concatenate(parts, -1), dtype), 1);
  const mx::array storage = *std::exchange(array_, std::nullopt);
  array_ = mx::scatter(storage, step.cache_rows, rows, 0);
}

mx::array ArrayRows::keys(const plain::KeyRows& rows) const {
  const auto part = [&](const mx::array& x) {
    return mx::slice(x, {rows.first, 0}, {rows.first + rows.count, width()});
  };
  if (!rows.blocks) return part(array());
  const mx::array blocks = mx::reshape(array(), {-1, kBlockRows, width()});
  return part(mx::reshape(mx::take(blocks, *rows.blocks, 0), {-1, width()}));
}

void ArrayRows::copy_rows(int from, int to, int count) {
  const int at = from * kBlockRows;
  update(to * kBlockRows, 0, copied(mx::slice(array(), {at, 0}, {at + count, width()})));
  mx::eval(*array_);
}

void ArrayRows::read_block(int block, std::span<std::byte> bytes) const {
  const int at = block * kBlockRows;
  const mx::array part = mx::contiguous(mx::slice(array(), {at, 0}, {at + kBlockRows, width()}));
  mx::eval(part);
  std::memcpy(bytes.data(), part.data<char>(), bytes.size());
}

void ArrayRows::write_block(int block, std::span<const std::byte> bytes) {
  const mx::Shape shape = {kBlockRows, width()};
  update(block * kBlockRows, 0,
         type() == RowType::f32 ? from_bytes<std::uint32_t>(bytes, shape, mx::float32)
                                : from_bytes<std::uint16_t>(bytes, shape, mx::bfloat16));
  mx::eval(*array_);
}

namespace plain {

std::unique_ptr<PagedRows> make_rows(RowType type, int width, int blocks) {
  return std::make_unique<ArrayRows>(type, width, blocks);
}

}  // namespace plain
}  // namespace glimt::kernels
