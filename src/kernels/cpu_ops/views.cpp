#include "kernels/cpu_ops/views.h"

#include "base/error.h"

namespace glimt::kernels {
namespace {

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

bool is_stack(const std::vector<Weight>& weights) { return weights.size() == 1 && weights[0].count > 0; }

}  // namespace

cpu::MatrixView view(const Weight& w, int index) {
  cpu::MatrixView v;
  v.rows = w.rows;
  v.columns = w.columns;
  const auto i = static_cast<std::size_t>(index);
  const std::size_t stack = w.count > 0 ? static_cast<std::size_t>(w.count) : 1;
  const auto part = [&](const mx::array& array) { return array.data<std::byte>() + i * (array.nbytes() / stack); };
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
  return is_stack(weights) ? static_cast<std::size_t>(weights[0].count) : weights.size();
}

cpu::MatrixView view(const std::vector<Weight>& weights, std::size_t index) {
  return is_stack(weights) ? view(weights[0], static_cast<int>(index)) : view(weights[index]);
}

}  // namespace glimt::kernels
