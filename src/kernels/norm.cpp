#include "kernels/cpu/norm.h"

#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

namespace glimt::kernels {
namespace {

class RmsNorm : public CpuPrimitive {
 public:
  RmsNorm(mx::Shape shape, float eps) : CpuPrimitive(std::move(shape)), eps_(eps) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    const auto columns = static_cast<std::size_t>(inputs[1].size());
    dispatch_kernel(stream(), [columns, rows = out.size() / columns, eps = eps_, x = inputs[0].data<float>(),
                               weight = inputs[1].data<float>(), y = out.data<float>()] {
      const auto row = [&](std::size_t i) { cpu::rms_norm(x + i * columns, weight, columns, eps, y + i * columns); };
      if (rows >= kParallelRows) {
        cpu::parallel_for(rows, row);
      } else {
        for (std::size_t i = 0; i < rows; ++i) row(i);
      }
    });
  }

  const char* name() const override { return "GlimtRmsNorm"; }

 private:
  static constexpr std::size_t kParallelRows = 16;  // fewer take less time than waking a thread

  float eps_;
};

}  // namespace

mx::array rms_norm(const mx::array& x, const mx::array& weight, float eps) {
  if (backend() == Backend::mlx) return mx::fast::rms_norm(x, mx::astype(weight, x.dtype()), eps);
  return make_node<RmsNorm>(x.shape(), {contiguous_f32(x), contiguous_f32(weight)}, eps);
}

}  // namespace glimt::kernels
