#include "kernels/cpu/norm.h"

#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/primitive.h"

namespace glimt::kernels::on_cpu {
namespace {

constexpr std::size_t kParallelRows = 16;  // fewer take less time than waking a thread

template <typename Row>
void for_rows(std::size_t rows, const Row& row) {
  cpu::parallel_for_if(rows >= kParallelRows, rows, row);
}

class NormedRows : public CpuPrimitive {
 public:
  NormedRows(Device device, mx::Shape shape, float eps)
      : CpuPrimitive(std::move(device), std::move(shape)), eps_(eps) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    const auto columns = static_cast<std::size_t>(inputs[1].size());
    dispatch(stream(), out,
             [columns, rows = out.size() / columns, eps = eps_, x = inputs[0].data<float>(),
              weight = inputs[1].data<float>(), y = out.data<float>()] {
               for_rows(rows,
                        [&](std::size_t i) { cpu::rms_norm(x + i * columns, weight, columns, eps, y + i * columns); });
             });
  }

  const char* name() const override { return "GlimtRmsNorm"; }

 private:
  float eps_;
};

class NormedSums : public CpuMultiPrimitive {
 public:
  NormedSums(Device device, float eps) : CpuMultiPrimitive(std::move(device)), eps_(eps) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    for (mx::array& output : outputs) allocate(output);
    const auto columns = static_cast<std::size_t>(inputs[2].size());
    dispatch(stream(), outputs,
             [columns, rows = inputs[0].size() / columns, eps = eps_, x = inputs[0].data<float>(),
              y = inputs[1].data<float>(), weight = inputs[2].data<float>(), sum = outputs[0].data<float>(),
              norm = outputs[1].data<float>()] {
               for_rows(rows, [&](std::size_t row) {
                 const std::size_t at = row * columns;
                 for (std::size_t i = at; i < at + columns; ++i) sum[i] = x[i] + y[i];
                 cpu::rms_norm(sum + at, weight, columns, eps, norm + at);
               });
             });
  }
  std::vector<mx::Shape> output_shapes(const std::vector<mx::array>& inputs) override {
    return {inputs[0].shape(), inputs[0].shape()};
  }
  const char* name() const override { return "GlimtAddRmsNorm"; }

 private:
  float eps_;
};

}  // namespace

mx::array rms_norm(const Device& device, const mx::array& x, const mx::array& weight, float eps) {
  return make_node<NormedRows>(device, x.shape(), {contiguous_f32(x), contiguous_f32(weight)}, eps);
}

SumAndNorm add_rms_norm(const Device& device, const mx::array& x, const mx::array& y, const mx::array& weight,
                        float eps) {
  const std::vector<mx::array> both = mx::array::make_arrays(
      {x.shape(), x.shape()}, {mx::float32, mx::float32}, std::make_shared<NormedSums>(device, eps),
      {contiguous_f32(x), contiguous_f32(y), contiguous_f32(weight)});
  return {both[0], both[1]};
}

}  // namespace glimt::kernels::on_cpu
