#include "kernels/cpu/grouped_matmul.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

namespace glimt::kernels {
namespace {

class MatrixProduct : public CpuPrimitive {
 public:
  MatrixProduct(mx::Shape shape, std::shared_ptr<const Weight> w) : CpuPrimitive(std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch_kernel(stream(), [w = w_, x = inputs[0].data<float>(), size = inputs[0].size(), y = out.data<float>()] {
      const auto columns = static_cast<std::size_t>(w->columns), rows = static_cast<std::size_t>(w->rows);
      std::vector<const float*> in;
      cpu::Product product{view(*w), nullptr, 0, {}};
      for (std::size_t i = 0; i < size / columns; ++i) {
        in.push_back(x + i * columns);
        product.y.push_back(y + i * rows);
      }
      cpu::Activations activations(std::move(in), {product.y.size()}, w->columns);
      product.x = &activations;
      cpu::multiply({&product, 1});
    });
  }

  const char* name() const override { return "GlimtMatrixProduct"; }

 private:
  std::shared_ptr<const Weight> w_;
};

}  // namespace

mx::array matmul_plain(const mx::array& x, const Weight& w, bool transpose) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::quantized_matmul(x, w.values, *w.scales, w.biases, transpose, q.group_size, q.bits, q.mode_name());
  }
  const mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  return mx::matmul(x, transpose ? mx::swapaxes(values, -1, -2) : values);
}

mx::array linear(const mx::array& x, const std::shared_ptr<const Weight>& w) {
  if (backend() == Backend::mlx) return matmul_plain(x, *w);
  mx::Shape shape = x.shape();
  shape.back() = w->rows;
  return make_node<MatrixProduct>(std::move(shape), {contiguous_f32(x)}, w);
}

}  // namespace glimt::kernels
