#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/primitive.h"
#include "kernels/cpu_ops/views.h"

namespace glimt::kernels::on_cpu {
namespace {

// x · wᵀ for each w, one output each.
class MatrixProducts : public CpuMultiPrimitive {
 public:
  MatrixProducts(Device device, std::vector<WeightPtr> weights)
      : CpuMultiPrimitive(std::move(device)), weights_(std::move(weights)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    std::vector<float*> to;
    for (mx::array& out : outputs) {
      allocate(out);
      to.push_back(out.data<float>());
    }
    dispatch(stream(), outputs,
             [weights = weights_, exact = exact(), x = inputs[0].data<float>(), size = inputs[0].size(), to] {
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
               cpu::multiply(products, exact);
             });
  }

  const char* name() const override { return "GlimtMatrixProducts"; }

 private:
  std::vector<WeightPtr> weights_;
};

}  // namespace

std::vector<mx::array> linear(const Device& device, const mx::array& x, const std::vector<WeightPtr>& weights) {
  std::vector<mx::Shape> shapes(weights.size(), x.shape());
  for (std::size_t i = 0; i < weights.size(); ++i) shapes[i].back() = weights[i]->rows;
  return mx::array::make_arrays(std::move(shapes), std::vector<mx::Dtype>(weights.size(), mx::float32),
                                std::make_shared<MatrixProducts>(device, weights), {contiguous_f32(x)});
}

}  // namespace glimt::kernels::on_cpu
