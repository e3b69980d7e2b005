#include "kernels/weight.h"

#include <mlx/mlx.h>

#include <cstring>

namespace glimt {
namespace {

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

std::size_t Weight::nbytes() const {
  std::size_t total = values.nbytes();
  for (const auto* part : {&scales, &biases, &global_scale}) {
    if (part->has_value()) total += (*part)->nbytes();
  }
  return total;
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

Weight stacked(const std::vector<Weight>& weights) {
  if (weights.size() == 1 && weights[0].count > 0) return weights[0];
  std::vector<mx::array> values, scales, biases, global_scales;
  for (const Weight& w : weights) {
    values.push_back(w.values);
    if (w.scales) scales.push_back(*w.scales);
    if (w.biases) biases.push_back(*w.biases);
    if (w.global_scale) global_scales.push_back(mx::reshape(*w.global_scale, {-1}));
  }
  Weight stack = weights[0];
  stack.count = static_cast<int>(weights.size());
  stack.values = mx::stack(values);
  if (!scales.empty()) stack.scales = mx::stack(scales);
  if (!biases.empty()) stack.biases = mx::stack(biases);
  if (!global_scales.empty()) stack.global_scale = mx::concatenate(global_scales);
  return stack;
}

std::optional<Weight> joined(const Weight& a, const Weight& b) {
  const bool alike = a.count == b.count && a.columns == b.columns && a.quantization == b.quantization &&
                     a.values.dtype() == b.values.dtype() && a.scales.has_value() == b.scales.has_value() &&
                     a.biases.has_value() == b.biases.has_value() && !a.global_scale && !b.global_scale;
  if (!alike || (a.scales && a.scales->dtype() != b.scales->dtype())) return std::nullopt;
  const auto both = [](const mx::array& x, const mx::array& y) {
    const mx::array rows = mx::concatenate({x, y}, -2);
    mx::eval(rows);
    return rows;
  };
  Weight w = a;
  w.rows = a.rows + b.rows;
  w.values = both(a.values, b.values);
  if (a.scales) w.scales = both(*a.scales, *b.scales);
  if (a.biases) w.biases = both(*a.biases, *b.biases);
  return w;
}

}  // namespace glimt
