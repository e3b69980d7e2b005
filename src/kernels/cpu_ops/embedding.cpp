#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/primitive.h"
#include "kernels/cpu_ops/views.h"

#include <algorithm>

namespace glimt::kernels::on_cpu {
namespace {

class EmbeddingRows : public CpuPrimitive {
 public:
  EmbeddingRows(Device device, mx::Shape shape, WeightPtr table)
      : CpuPrimitive(std::move(device), std::move(shape)), table_(std::move(table)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch(stream(), out,
             [table = table_, ids = inputs[0].data<std::int32_t>(), count = inputs[0].size(), y = out.data<float>()] {
               const cpu::MatrixView rows = view(*table);
               const auto width = static_cast<std::size_t>(rows.columns);
               cpu::parallel_for(count, [&](std::size_t i) {
                 cpu::isa().decode_row(rows, std::clamp(ids[i], 0, rows.rows - 1), y + i * width);
               });
             });
  }

  const char* name() const override { return "GlimtEmbedding"; }

 private:
  WeightPtr table_;
};

}  // namespace

mx::array embedding(const Device& device, const mx::array& ids, const WeightPtr& table, mx::Dtype dtype) {
  mx::Shape shape = ids.shape();
  shape.push_back(table->columns);
  const mx::array positions = mx::contiguous(mx::astype(ids, mx::int32));
  return mx::astype(make_node<EmbeddingRows>(device, std::move(shape), {positions}, table), dtype);
}

}  // namespace glimt::kernels::on_cpu
