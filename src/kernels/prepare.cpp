// What the plain definitions do with weights once, when a model is loaded.
#include "kernels/plain.h"

namespace glimt::kernels::plain {
namespace {

// Bytes that the CPU wrote lie where GPUs of their own memory read them slowly: a kernel's output lies there.
mx::array moved(const mx::array& x) {
  const mx::Dtype raw = x.itemsize() == 4 ? mx::uint32 : x.itemsize() == 2 ? mx::uint16 : mx::uint8;
  return mx::view(mx::bitwise_or(mx::view(x, raw), mx::array(0, raw)), x.dtype());
}

mx::array placed(const mx::array& x, std::optional<mx::Dtype> dtype) {
  const mx::array y = dtype && *dtype != x.dtype() ? mx::astype(x, *dtype) : host_memory() ? x : moved(x);
  mx::eval(y);
  return y;
}

}  // namespace

Weight prepared(const Weight& stored, mx::Dtype dtype) {
  Weight w = aligned(stored);
  const bool affine = w.biases.has_value();
  w.values = placed(w.values, w.quantization ? std::nullopt : std::optional(dtype));
  if (w.scales) w.scales = placed(*w.scales, affine ? std::optional(dtype) : std::nullopt);
  if (affine) w.biases = placed(*w.biases, dtype);
  return w;
}

}  // namespace glimt::kernels::plain
