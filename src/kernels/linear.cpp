#include "kernels/cpu/grouped_matmul.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

namespace glimt::kernels {
namespace {

// x · wᵀ for each w, one output each.
class MatrixProducts : public CpuMultiPrimitive {
 public:
  explicit MatrixProducts(std::vector<std::shared_ptr<const Weight>> weights) : weights_(std::move(weights)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    std::vector<float*> to;
    for (mx::array& out : outputs) {
      allocate(out);
      to.push_back(out.data<float>());
    }
    dispatch_kernel(stream(), outputs, [weights = weights_, x = inputs[0].data<float>(), size = inputs[0].size(), to] {
      const auto columns = static_cast<std::size_t>(weights[0]->columns), tokens = size / columns;
      std::vector<const float*> in;
      for (std::size_t t = 0; t < tokens; ++t) in.push_back(x + t * columns);
      cpu::Activations activations(std::move(in), {tokens}, weights[0]->columns);
      std::vector<cpu::Product> products;
      for (std::size_t i = 0; i < weights.size(); ++i) {
        const auto rows = static_cast<std::size_t>(weights[i]->rows);
        products.push_back({view(*weights[i]), &activations, 0, {}});
        for (std::size_t t = 0; t < tokens; ++t) products.back().y.push_back(to[i] + t * rows);
      }
      cpu::multiply(products);
    });
  }

  const char* name() const override { return "GlimtMatrixProducts"; }

 private:
  std::vector<std::shared_ptr<const Weight>> weights_;
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

std::vector<mx::array> linear(const mx::array& x, const std::vector<std::shared_ptr<const Weight>>& weights) {
  if (backend() == Backend::mlx) {
    std::vector<mx::array> results;
    results.reserve(weights.size());
    for (const auto& w : weights) results.push_back(matmul_plain(x, *w));
    return results;
  }
  std::vector<mx::Shape> shapes(weights.size(), x.shape());
  for (std::size_t i = 0; i < weights.size(); ++i) shapes[i].back() = weights[i]->rows;
  return mx::array::make_arrays(std::move(shapes), std::vector<mx::Dtype>(weights.size(), mx::float32),
                                std::make_shared<MatrixProducts>(weights), {contiguous_f32(x)});
}

mx::array linear(const mx::array& x, const std::shared_ptr<const Weight>& w) { return linear(x, std::vector{w})[0]; }

}  // namespace glimt::kernels
