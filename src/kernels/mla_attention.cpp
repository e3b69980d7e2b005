#include <limits>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

namespace glimt::kernels {
namespace {

// Additive mask [L, T]: query i, at position T - L + i, sees the keys up to itself.
mx::array causal_mask(int queries, int keys, mx::Dtype dtype) {
  const mx::array q = mx::expand_dims(mx::arange(keys - queries, keys, mx::int32), 1);
  const mx::array k = mx::arange(0, keys, mx::int32);
  return mx::where(mx::greater(k, q), mx::array(-std::numeric_limits<float>::infinity(), dtype),
                   mx::array(0.0f, dtype));
}

// One key head for all query heads: the heads are rows of the same product.
mx::array attention_plain(const mx::array& q_latent, const mx::array& q_pe, const mx::array& cached, float scale) {
  const int batch = q_pe.shape(0), heads = q_pe.shape(1), length = q_pe.shape(2), latent = q_latent.shape(3);
  const mx::array rows = mx::astype(cached, q_latent.dtype());
  const int keys = rows.shape(1), width = rows.shape(2);
  const mx::array queries = mx::multiply(mx::concatenate({q_latent, q_pe}, -1), mx::array(scale, q_latent.dtype()));
  mx::array scores = mx::matmul(mx::reshape(queries, {batch, heads * length, width}), mx::swapaxes(rows, 1, 2));
  scores = mx::reshape(scores, {batch, heads, length, keys});
  if (length > 1) scores = mx::add(scores, causal_mask(length, keys, scores.dtype()));
  const mx::array weights = mx::reshape(mx::softmax(scores, -1, true), {batch, heads * length, keys});
  return mx::reshape(mx::matmul(weights, mx::slice(rows, {0, 0, 0}, {batch, keys, latent})),
                     {batch, heads, length, latent});
}

class MlaAttention : public CpuPrimitive {
 public:
  MlaAttention(mx::Shape shape, float scale) : CpuPrimitive(std::move(shape)), scale_(scale) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    const mx::array &q_latent = inputs[0], &q_pe = inputs[1], &rows = inputs[2];
    if (rows.strides(2) != 1) throw std::runtime_error("[mla_attention] the last axis of rows must be contiguous");
    allocate(out);

    const cpu::AttentionShape shape{q_pe.shape(1), q_pe.shape(2), q_latent.shape(3), q_pe.shape(3), scale_};
    const auto format = rows.dtype() == mx::bfloat16 ? cpu::RowFormat::bf16 : cpu::RowFormat::f32;
    const auto queries = static_cast<std::size_t>(shape.heads) * static_cast<std::size_t>(shape.queries);
    std::vector<cpu::AttentionSequence> sequences;
    for (int b = 0; b < rows.shape(0); ++b) {
      const std::size_t first = static_cast<std::size_t>(b) * queries;
      const auto offset =
          static_cast<std::ptrdiff_t>(rows.strides(0)) * b * static_cast<std::ptrdiff_t>(rows.itemsize());
      sequences.push_back(
          {q_latent.data<float>() + first * static_cast<std::size_t>(shape.latent),
           q_pe.data<float>() + first * static_cast<std::size_t>(shape.rope),
           {format, rows.data<char>() + offset, static_cast<std::size_t>(rows.strides(1)), rows.shape(2)},
           rows.shape(1),
           out.data<float>() + first * static_cast<std::size_t>(shape.latent)});
    }
    const cpu::AttentionKernel& kernel = cpu::attention_kernel(format, rows.shape(2), cpu::exact());
    dispatch_kernel(stream(), [shape, sequences = std::move(sequences), &kernel] {
      cpu::latent_attention(shape, sequences, kernel);
    });
  }

  const char* name() const override { return "GlimtMlaAttention"; }

 private:
  float scale_;
};

}  // namespace

mx::array mla_attention(const mx::array& q_latent, const mx::array& q_pe, const mx::array& rows, float scale) {
  if (backend() == Backend::mlx) return attention_plain(q_latent, q_pe, rows, scale);
  const mx::array cached = rows.dtype() == mx::bfloat16 ? rows : mx::astype(rows, mx::float32, cpu_stream());
  return make_node<MlaAttention>(q_latent.shape(), {contiguous_f32(q_latent), contiguous_f32(q_pe), cached}, scale);
}

}  // namespace glimt::kernels
