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
    : PagedRows(type, width), array_(mx::zeros({blocks, kBlockRows, width}, dtype_of(type))) {
  mx::eval(array_);
}

void ArrayRows::update(int block, int row, const mx::array& part) {
  // The only reference moves into the graph, so that MLX updates the buffer in place.
  const mx::array storage = std::exchange(array_, mx::array(0));
  array_ =
      mx::slice_update(storage, part, mx::Shape{block, row, 0}, mx::Shape{block + 1, row + part.shape(1), width()});
}

void ArrayRows::copy_rows(int from, int to, int count) {
  update(to, 0, copied(mx::slice(array_, {from, 0, 0}, {from + 1, count, width()})));
  mx::eval(array_);
}

void ArrayRows::read_block(int block, std::span<std::byte> bytes) const {
  const mx::array part = mx::contiguous(mx::slice(array_, {block, 0, 0}, {block + 1, kBlockRows, width()}));
  mx::eval(part);
  std::memcpy(bytes.data(), part.data<char>(), bytes.size());
}

void ArrayRows::write_block(int block, std::span<const std::byte> bytes) {
  const mx::Shape shape = {1, kBlockRows, width()};
  update(block, 0,
         type() == RowType::f32 ? from_bytes<std::uint32_t>(bytes, shape, mx::float32)
                                : from_bytes<std::uint16_t>(bytes, shape, mx::bfloat16));
  mx::eval(array_);
}

namespace plain {

std::unique_ptr<PagedRows> make_rows(RowType type, int width, int blocks) {
  return std::make_unique<ArrayRows>(type, width, blocks);
}

}  // namespace plain
}  // namespace glimt::kernels
