#include "kernels/cpu/grouped_matmul.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

namespace glimt::kernels {
namespace {

// x · wᵀ (or x · w) in plain MLX, with w's leading dimensions broadcast against x's.
mx::array matmul_plain(const mx::array& x, const Weight& w, bool transpose) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::quantized_matmul(x, w.values, *w.scales, w.biases, transpose, q.group_size, q.bits, q.mode_name());
  }
  const mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  return mx::matmul(x, transpose ? mx::swapaxes(values, -1, -2) : values);
}

// Rows [.., H, L, columns] times one matrix a head; H = 1 and any leading dimensions for a single matrix.
class MatrixProduct : public CpuPrimitive {
 public:
  MatrixProduct(mx::Shape shape, std::shared_ptr<const Weight> w, int heads, int length)
      : CpuPrimitive(std::move(shape)), w_(std::move(w)), heads_(heads), length_(length) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    const auto rows = inputs[0].size() / static_cast<std::size_t>(w_->columns);
    dispatch_kernel(stream(),
                    [w = w_, heads = static_cast<std::size_t>(heads_), length = static_cast<std::size_t>(length_), rows,
                     x = inputs[0].data<float>(), y = out.data<float>()] { run(*w, heads, length, rows, x, y); });
  }

  const char* name() const override { return "GlimtMatrixProduct"; }

 private:
  // Rows lie as [batch, head, position]; a head's rows become one product.
  static void run(const Weight& w, std::size_t heads, std::size_t length, std::size_t rows, const float* x, float* y) {
    const std::size_t batches = rows / (heads * length);
    std::vector<const float*> inputs;
    std::vector<cpu::Product> products(heads);
    inputs.reserve(rows);
    for (std::size_t h = 0; h < heads; ++h) {
      products[h].w = view(w, static_cast<int>(h));
      products[h].first = inputs.size();
      for (std::size_t b = 0; b < batches; ++b) {
        for (std::size_t l = 0; l < length; ++l) {
          const std::size_t row = (b * heads + h) * length + l;
          inputs.push_back(x + row * static_cast<std::size_t>(w.columns));
          products[h].y.push_back(y + row * static_cast<std::size_t>(w.rows));
        }
      }
    }
    cpu::Activations activations(std::move(inputs), w.columns);
    for (cpu::Product& product : products) product.x = &activations;
    cpu::multiply(products);
  }

  std::shared_ptr<const Weight> w_;
  int heads_;
  int length_;
};

mx::array product(const mx::array& x, const std::shared_ptr<const Weight>& w, int heads, int length) {
  mx::Shape shape = x.shape();
  shape.back() = w->rows;
  return make_node<MatrixProduct>(std::move(shape), {contiguous_f32(x)}, w, heads, length);
}

}  // namespace

mx::array linear_plain(const mx::array& x, const Weight& w) { return matmul_plain(x, w, true); }

mx::array linear(const mx::array& x, const std::shared_ptr<const Weight>& w) {
  if (backend() == Backend::mlx) return linear_plain(x, *w);
  return product(x, w, 1, 1);
}

mx::array head_linear(const mx::array& x, const std::shared_ptr<const Weight>& w) {
  if (backend() == Backend::mlx) return matmul_plain(x, *w, true);
  return product(x, w, x.shape(1), x.shape(2));
}

mx::array head_linear_transposed(const mx::array& x, const std::shared_ptr<const Weight>& w) {
  if (backend() == Backend::mlx) return matmul_plain(x, *w, false);
  // Used once a prefill chunk, on long inputs: float weights through BLAS beat a kernel that would walk down columns.
  return mx::matmul(x, dequantize(*w, mx::float32));
}

}  // namespace glimt::kernels
