#include "kernels/weight.h"

#include "base/error.h"

#include <mlx/mlx.h>

#include <cstring>

namespace glimt {
namespace {

struct ModeName {
  QuantMode mode;
  std::string_view name;
};
constexpr ModeName kModes[] = {{QuantMode::affine, "affine"},
                               {QuantMode::mxfp4, "mxfp4"},
                               {QuantMode::mxfp8, "mxfp8"},
                               {QuantMode::nvfp4, "nvfp4"}};

cpu::Format float_format(mx::Dtype dtype) {
  if (dtype == mx::float32) return cpu::Format::f32;
  if (dtype == mx::float16) return cpu::Format::f16;
  if (dtype == mx::bfloat16) return cpu::Format::bf16;
  throw Error(ErrorKind::internal, "a weight is neither float32, float16, bfloat16 nor quantized");
}

cpu::Format format_of(QuantMode mode) {
  switch (mode) {
    case QuantMode::affine: return cpu::Format::affine;
    case QuantMode::mxfp4: return cpu::Format::mxfp4;
    case QuantMode::mxfp8: return cpu::Format::mxfp8;
    case QuantMode::nvfp4: return cpu::Format::nvfp4;
  }
  return cpu::Format::affine;
}

const std::byte* bytes_of(const mx::array& array) { return array.data<std::byte>(); }

// The arrays' shape [.., rows, 1], to multiply a global scale with them.
mx::array broadcastable(const mx::array& global_scale, const Weight& w) {
  const int size = static_cast<int>(global_scale.size());
  if (size == 1) return mx::reshape(global_scale, {1});
  return w.count > 0 ? mx::reshape(global_scale, {w.count, 1, 1}) : mx::reshape(global_scale, {w.rows, 1});
}

mx::array aligned_array(const mx::array& array) {
  const bool misaligned =
      array.is_available() && reinterpret_cast<std::uintptr_t>(bytes_of(array)) % array.itemsize() != 0;
  if (!misaligned) return array;
  mx::array copy(mx::allocator::malloc(array.nbytes()), array.shape(), array.dtype());
  std::memcpy(copy.data<std::byte>(), bytes_of(array), array.nbytes());
  return copy;
}

}  // namespace

std::string_view to_string(QuantMode mode) {
  for (const ModeName& entry : kModes) {
    if (entry.mode == mode) return entry.name;
  }
  return "affine";
}

std::optional<QuantMode> quant_mode_from(std::string_view name) {
  for (const ModeName& entry : kModes) {
    if (entry.name == name) return entry.mode;
  }
  return std::nullopt;
}

bool is_valid(const Quantization& q) {
  switch (q.mode) {
    case QuantMode::affine:
      return (q.bits == 2 || q.bits == 3 || q.bits == 4 || q.bits == 5 || q.bits == 6 || q.bits == 8) &&
             (q.group_size == 32 || q.group_size == 64 || q.group_size == 128);
    case QuantMode::mxfp4: return q.bits == 4 && q.group_size == 32;
    case QuantMode::mxfp8: return q.bits == 8 && q.group_size == 32;
    case QuantMode::nvfp4: return q.bits == 4 && q.group_size == 16;
  }
  return false;
}

std::size_t Weight::nbytes() const {
  std::size_t total = values.nbytes();
  for (const auto* part : {&scales, &biases, &global_scale}) {
    if (part->has_value()) total += (*part)->nbytes();
  }
  return total;
}

cpu::MatrixView view(const Weight& w, int index) {
  cpu::MatrixView v;
  v.rows = w.rows;
  v.columns = w.columns;
  const auto i = static_cast<std::size_t>(index);
  const std::size_t stack = w.count > 0 ? static_cast<std::size_t>(w.count) : 1;
  const auto part = [&](const mx::array& array) { return bytes_of(array) + i * (array.nbytes() / stack); };
  v.values = part(w.values);
  if (!w.quantization) {
    v.format = float_format(w.values.dtype());
    v.bits = v.format == cpu::Format::f32 ? 32 : 16;
    return v;
  }
  v.format = format_of(w.quantization->mode);
  v.bits = w.quantization->bits;
  v.group_size = w.quantization->group_size;
  v.scales = part(*w.scales);
  if (w.biases) {
    v.biases = part(*w.biases);
    v.scale_format = float_format(w.scales->dtype());
  }
  if (w.global_scale) {
    const auto size = w.global_scale->size();
    v.global_scale = w.global_scale->data<float>() + (size > 1 && w.count > 0 ? i : 0);
    v.global_scale_per_row = size > 1 && w.count == 0;
  }
  return v;
}

std::size_t matrix_count(const std::vector<Weight>& weights) {
  const bool stacked = weights.size() == 1 && weights[0].count > 0;
  return stacked ? static_cast<std::size_t>(weights[0].count) : weights.size();
}

cpu::MatrixView view(const std::vector<Weight>& weights, std::size_t index) {
  const bool stacked = weights.size() == 1 && weights[0].count > 0;
  return stacked ? view(weights[0], static_cast<int>(index)) : view(weights[index]);
}

Weight aligned(const Weight& weight) {
  Weight w = weight;
  w.values = aligned_array(w.values);
  if (w.scales) w.scales = aligned_array(*w.scales);
  if (w.biases) w.biases = aligned_array(*w.biases);
  return w;
}

mx::array dequantize(const Weight& stored, mx::Dtype dtype) {
  const Weight w = aligned(stored);
  if (!w.quantization) return mx::astype(w.values, dtype);
  const Quantization& q = *w.quantization;
  // MLX computes in the dtype of affine scales: in float32 here, as the kernels do, whatever the file has.
  const mx::array scales = w.biases ? mx::astype(*w.scales, mx::float32) : *w.scales;
  const auto biases = w.biases ? std::optional(mx::astype(*w.biases, mx::float32)) : std::nullopt;
  mx::array values = mx::dequantize(w.values, scales, biases, q.group_size, q.bits, q.mode_name(), std::nullopt,
                                    w.biases ? std::nullopt : std::optional(mx::float32));
  if (w.global_scale) values = mx::multiply(values, broadcastable(*w.global_scale, w));
  return mx::astype(values, dtype);
}

Weight quantize(const mx::array& values, const Quantization& q) {
  const std::vector<mx::array> parts = mx::quantize(values, q.group_size, q.bits, q.mode_name());
  Weight w{.count = values.ndim() == 3 ? values.shape(0) : 0,
           .rows = values.shape(-2),
           .columns = values.shape(-1),
           .values = parts[0],
           .quantization = q,
           .scales = parts[1],
           .biases = parts.size() > 2 ? std::optional(parts[2]) : std::nullopt,
           .global_scale = std::nullopt};
  mx::eval(parts);
  return w;
}

}  // namespace glimt
