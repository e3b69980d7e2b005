#include "model/arrays.h"

#include "kernels/device.h"

#include <cstring>

namespace glimt {
namespace {

// An array over bytes with another owner. MLX's documented constructor copies on the CPU; this form does not, but
// relies on how MLX's CPU allocator lays out a buffer (a size_t before the data), which borrowing_works checks.
mx::array borrow(const std::byte* data, const mx::Shape& shape, mx::Dtype dtype, std::shared_ptr<const void> owner) {
  mx::allocator::Buffer buffer(const_cast<std::byte*>(data) - sizeof(std::size_t));
  return mx::array(mx::allocator::Data(buffer, [owner = std::move(owner)](mx::allocator::Buffer) {}), shape, dtype);
}

bool borrowing_works() {
  static const bool works = [] {
    if (!kernels::host_memory()) return false;
    alignas(16) static float storage[6] = {0, 0, 1, 2, 3, 4};
    const mx::array probe = borrow(reinterpret_cast<const std::byte*>(storage + 2), {4}, mx::float32, nullptr);
    return probe.data<float>() == storage + 2 && mx::sum(probe).item<float>() == 10.0f;
  }();
  return works;
}

}  // namespace

mx::Dtype mlx_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::f64: return mx::float64;
    case Dtype::f32: return mx::float32;
    case Dtype::f16: return mx::float16;
    case Dtype::bf16: return mx::bfloat16;
    case Dtype::i64: return mx::int64;
    case Dtype::i32: return mx::int32;
    case Dtype::i16: return mx::int16;
    case Dtype::i8: return mx::int8;
    case Dtype::u64: return mx::uint64;
    case Dtype::u32: return mx::uint32;
    case Dtype::u16: return mx::uint16;
    case Dtype::u8:
    case Dtype::f8_e4m3:
    case Dtype::f8_e8m0: return mx::uint8;
    case Dtype::boolean: return mx::bool_;
  }
  return mx::uint8;
}

mx::Shape mlx_shape(const Shape& shape) { return {shape.begin(), shape.end()}; }

mx::array array_of(const SafetensorsFile& file, const TensorInfo& info, ArrayOffset offset) {
  const std::byte* data = file.map()->data() + info.offset;
  const bool fits = offset == ArrayOffset::any || reinterpret_cast<std::uintptr_t>(data) % size_of(info.dtype) == 0;
  if (fits && info.nbytes > 0 && borrowing_works()) {
    return borrow(data, mlx_shape(info.shape), mlx_dtype(info.dtype), file.map());
  }
  mx::array copy(mx::allocator::malloc(info.nbytes), mlx_shape(info.shape), mlx_dtype(info.dtype));
  std::memcpy(copy.data<std::byte>(), data, info.nbytes);
  return copy;
}

mx::array array_of_part(const SafetensorsFile& file, const TensorInfo& info, std::size_t axis, int from, int to,
                        ArrayOffset offset) {
  TensorInfo part = info;
  part.shape[axis] = to - from;
  const auto of = [&](int index) { return static_cast<std::size_t>(index); };
  std::size_t inner = size_of(info.dtype), outer = 1;  // bytes of an index, and how often they come
  for (std::size_t i = 0; i < info.shape.size(); ++i) {
    if (i < axis) outer *= of(info.shape[i]);
    if (i > axis) inner *= of(info.shape[i]);
  }
  part.nbytes = outer * of(to - from) * inner;
  part.offset += of(from) * inner;
  if (outer == 1) return array_of(file, part, offset);
  mx::array copy(mx::allocator::malloc(part.nbytes), mlx_shape(part.shape), mlx_dtype(part.dtype));
  const std::byte* source = file.map()->data() + part.offset;
  std::byte* target = copy.data<std::byte>();
  for (std::size_t i = 0; i < outer; ++i) {
    std::memcpy(target, source, of(to - from) * inner);
    target += of(to - from) * inner;
    source += of(info.shape[axis]) * inner;
  }
  return copy;
}

mx::array array_of(const SafetensorsFile& file, const std::string& name, ArrayOffset offset) {
  return array_of(file, file.tensors().at(name), offset);
}

}  // namespace glimt
