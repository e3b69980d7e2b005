#include "kernels/cpu/table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

#include <algorithm>

namespace glimt::kernels {
namespace {

mx::array embedding_plain(const mx::array& ids, const Weight& table, mx::Dtype dtype) {
  const auto rows = [&](const mx::array& part) { return mx::take(part, ids, 0); };
  Weight picked = table;
  picked.values = rows(table.values);
  if (table.scales) picked.scales = rows(*table.scales);
  if (table.biases) picked.biases = rows(*table.biases);
  if (table.global_scale && table.global_scale->size() > 1) {
    // One factor a row: it goes with the rows picked, behind the values.
    const mx::array factors = mx::expand_dims(rows(*table.global_scale), -1);
    picked.global_scale.reset();
    return mx::astype(mx::multiply(dequantize(picked, mx::float32), factors), dtype);
  }
  return dequantize(picked, dtype);
}

class EmbeddingRows : public CpuPrimitive {
 public:
  EmbeddingRows(mx::Shape shape, std::shared_ptr<const Weight> table)
      : CpuPrimitive(std::move(shape)), table_(std::move(table)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch_kernel(
        stream(), out,
        [table = table_, ids = inputs[0].data<std::int32_t>(), count = inputs[0].size(), y = out.data<float>()] {
          const cpu::MatrixView rows = view(*table);
          const auto width = static_cast<std::size_t>(rows.columns);
          cpu::parallel_for(count, [&](std::size_t i) {
            cpu::table().decode_row(rows, std::clamp(ids[i], 0, rows.rows - 1), y + i * width);
          });
        });
  }

  const char* name() const override { return "GlimtEmbedding"; }

 private:
  std::shared_ptr<const Weight> table_;
};

}  // namespace

mx::array embedding(const mx::array& ids, const std::shared_ptr<const Weight>& table, mx::Dtype dtype) {
  if (backend() == Backend::mlx) return embedding_plain(ids, *table, dtype);
  mx::Shape shape = ids.shape();
  shape.push_back(table->columns);
  return mx::astype(make_node<EmbeddingRows>(std::move(shape), {mx::contiguous(mx::astype(ids, mx::int32))}, table),
                    dtype);
}

}  // namespace glimt::kernels
