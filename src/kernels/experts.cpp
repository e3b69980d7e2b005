#include "kernels/cpu/buffer.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/table.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

#include <algorithm>
#include <map>

namespace glimt::kernels {
namespace {

// From this many picks on, sorting the rows by expert pays: each expert's weights are then read once.
constexpr int kSortFrom = 64;

Weight stack_of(const std::vector<Weight>& weights) {
  if (weights.size() == 1 && weights[0].count > 0) return weights[0];
  std::vector<mx::array> values, scales, biases, global_scales;
  for (const Weight& w : weights) {
    values.push_back(w.values);
    if (w.scales) scales.push_back(*w.scales);
    if (w.biases) biases.push_back(*w.biases);
    if (w.global_scale) global_scales.push_back(mx::reshape(*w.global_scale, {-1}));
  }
  Weight stack = weights[0];
  stack.count = static_cast<int>(weights.size());
  stack.values = mx::stack(values);
  if (!scales.empty()) stack.scales = mx::stack(scales);
  if (!biases.empty()) stack.biases = mx::stack(biases);
  if (!global_scales.empty()) stack.global_scale = mx::concatenate(global_scales);
  return stack;
}

mx::array silu_multiply(const mx::array& gate, const mx::array& up) {
  return mx::multiply(mx::multiply(gate, mx::sigmoid(gate)), up);
}

mx::array swiglu_plain(const mx::array& x, const SwiGluWeights& w) {
  return matmul_plain(silu_multiply(matmul_plain(x, w.gate), matmul_plain(x, w.up)), w.down);
}

// x [n, 1, columns] times the matrix that indices [n] (or [n, k]) picks for each row.
mx::array gather_matmul(const mx::array& x, const Weight& w, const mx::array& indices, bool sorted) {
  if (w.quantization && !w.global_scale) {
    const Quantization& q = *w.quantization;
    return mx::gather_qmm(x, w.values, *w.scales, w.biases, std::nullopt, indices, true, q.group_size, q.bits,
                          q.mode_name(), std::nullopt, sorted);
  }
  mx::array values = w.quantization ? dequantize(w, x.dtype()) : w.values;
  if (values.dtype() != x.dtype()) values = mx::astype(values, x.dtype());  // MLX's CPU gather_mm has float32 only
  return mx::gather_mm(x, mx::swapaxes(values, -1, -2), std::nullopt, indices, sorted);
}

mx::array experts_plain(const mx::array& x, const mx::array& indices, const mx::array& scores, const ExpertWeights& w) {
  const int tokens = indices.shape(0), k = indices.shape(1);
  const bool sort = tokens * k >= kSortFrom;
  mx::array rows = mx::expand_dims(x, {-2, -3});  // [T, 1, 1, hidden]
  mx::array picks = indices;
  mx::array order = mx::array(0);
  if (sort) {
    picks = mx::flatten(indices);
    order = mx::argsort(picks);
    rows = mx::expand_dims(mx::take(x, mx::floor_divide(order, mx::array(k, order.dtype())), 0),
                           -2);  // [T * k, 1, hidden]
    picks = mx::take(picks, order);
  }
  const mx::array gate = gather_matmul(rows, stack_of(w.gate), picks, sort);
  const mx::array up = gather_matmul(rows, stack_of(w.up), picks, sort);
  mx::array y = gather_matmul(silu_multiply(gate, up), stack_of(w.down), picks, sort);
  if (sort) y = mx::take(y, mx::argsort(order), 0);
  y = mx::reshape(y, {tokens, k, -1});
  y = mx::astype(mx::sum(mx::multiply(y, mx::expand_dims(scores, -1)), 1), x.dtype());
  return w.shared ? mx::add(y, swiglu_plain(x, *w.shared)) : y;
}

// Several SwiGLUs over rows of one width, run together: all gate and up products, then silu, then all down products.
// Add everything, then run once.
class SwiGluBatch {
 public:
  explicit SwiGluBatch(std::size_t hidden) : hidden_(hidden) {}

  // The rows x[i] (of `hidden` floats) through one set of matrices into y[i]. If the set before has the same rows, as all
  // experts of a single token do, the two share them.
  void add(const cpu::MatrixView& gate, const cpu::MatrixView& up, const cpu::MatrixView& down,
           const std::vector<const float*>& x, std::vector<float*> y) {
    const bool known =
        !counts_.empty() && counts_.back() == x.size() && std::equal(x.rbegin(), x.rend(), inputs_.rbegin());
    if (!known) {
      inputs_.insert(inputs_.end(), x.begin(), x.end());
      counts_.push_back(x.size());
    }
    branches_.push_back({gate, up, down, inputs_.size() - x.size(), x.size(), std::move(y)});
  }

  void run() {
    std::size_t floats = 0;
    for (const Branch& b : branches_) floats += b.rows * width(b);
    const cpu::Buffer<float> gates(floats), ups(floats);
    std::vector<std::pair<std::size_t, std::size_t>> inner_rows;  // offset and width, for silu
    struct Inner {
      std::vector<const float*> rows;
      std::vector<std::size_t> counts;
    };
    std::map<std::size_t, Inner> inner_by_width;
    std::vector<cpu::Product> first, second;
    cpu::Activations outer(inputs_, counts_, static_cast<int>(hidden_), cpu::Activations::Repeats::yes);
    std::size_t offset = 0;
    for (Branch& b : branches_) {
      cpu::Product gate{b.gate, &outer, b.first, {}}, up{b.up, &outer, b.first, {}};
      Inner& inner = inner_by_width[width(b)];
      inner.counts.push_back(b.rows);
      second.push_back({b.down, nullptr, inner.rows.size(), std::move(b.y)});
      for (std::size_t i = 0; i < b.rows; ++i, offset += width(b)) {
        gate.y.push_back(gates.data() + offset);
        up.y.push_back(ups.data() + offset);
        inner.rows.push_back(gates.data() + offset);
        inner_rows.emplace_back(offset, width(b));
      }
      first.push_back(std::move(gate));
      first.push_back(std::move(up));
    }
    cpu::multiply(first);

    const auto silu = [&](std::size_t i) {
      const auto [at, count] = inner_rows[i];
      cpu::table().silu_multiply(gates.data() + at, ups.data() + at, count);
    };
    cpu::parallel_for_if(inner_rows.size() > kSerialRows, inner_rows.size(), silu);
    std::map<std::size_t, cpu::Activations> hidden;
    for (auto& [columns, inner] : inner_by_width)
      hidden.try_emplace(columns, std::move(inner.rows), std::move(inner.counts), static_cast<int>(columns));
    for (cpu::Product& product : second) product.x = &hidden.at(static_cast<std::size_t>(product.w.columns));
    cpu::multiply(second);
  }

 private:
  static constexpr std::size_t kSerialRows = 8;  // a few microseconds of silu are not worth waking anybody

  struct Branch {
    cpu::MatrixView gate, up, down;
    std::size_t first, rows;
    std::vector<float*> y;
  };
  static std::size_t width(const Branch& b) { return static_cast<std::size_t>(b.gate.rows); }

  std::size_t hidden_;
  std::vector<const float*> inputs_;
  std::vector<std::size_t> counts_;  // of inputs_ that belong together
  std::vector<Branch> branches_;
};

class SwiGlu : public CpuPrimitive {
 public:
  SwiGlu(mx::Shape shape, std::shared_ptr<const SwiGluWeights> w) : CpuPrimitive(std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch_kernel(stream(), out, [w = w_, x = inputs[0].data<float>(), y = out.data<float>(), size = out.size()] {
      const auto hidden = static_cast<std::size_t>(w->gate.columns);
      std::vector<const float*> in;
      std::vector<float*> to;
      for (std::size_t at = 0; at < size; at += hidden) {
        in.push_back(x + at);
        to.push_back(y + at);
      }
      SwiGluBatch batch(hidden);
      batch.add(view(w->gate), view(w->up), view(w->down), in, std::move(to));
      batch.run();
    });
  }

  const char* name() const override { return "GlimtSwiGlu"; }

 private:
  std::shared_ptr<const SwiGluWeights> w_;
};

class Experts : public CpuPrimitive {
 public:
  Experts(mx::Shape shape, std::shared_ptr<const ExpertWeights> w) : CpuPrimitive(std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch_kernel(
        stream(), out,
        [w = w_, x = inputs[0].data<float>(), indices = inputs[1].data<std::uint32_t>(),
         scores = inputs[2].data<float>(), y = out.data<float>(), tokens = static_cast<std::size_t>(inputs[1].shape(0)),
         k = static_cast<std::size_t>(inputs[1].shape(1))] { run(*w, x, indices, scores, tokens, k, y); });
  }

  const char* name() const override { return "GlimtExperts"; }

 private:
  static void run(const ExpertWeights& w, const float* x, const std::uint32_t* indices, const float* scores,
                  std::size_t tokens, std::size_t k, float* y) {
    const std::size_t count = matrix_count(w.gate);
    const auto hidden = static_cast<std::size_t>(w.down[0].rows);
    const cpu::Buffer<float> outs(tokens * k * hidden);  // of pick t * k + j
    std::vector<std::vector<std::size_t>> picks_of(count);
    for (std::size_t pick = 0; pick < tokens * k; ++pick)
      picks_of[std::min<std::size_t>(indices[pick], count - 1)].push_back(pick);

    SwiGluBatch batch(hidden);
    for (std::size_t e = 0; e < count; ++e) {
      if (picks_of[e].empty()) continue;
      std::vector<const float*> in;
      std::vector<float*> to;
      for (const std::size_t pick : picks_of[e]) {
        in.push_back(x + pick / k * hidden);
        to.push_back(outs.data() + pick * hidden);
      }
      batch.add(view(w.gate, e), view(w.up, e), view(w.down, e), in, std::move(to));
    }
    const cpu::Buffer<float> shared(w.shared ? tokens * hidden : 0);
    if (w.shared) {
      std::vector<const float*> in;
      std::vector<float*> to;
      for (std::size_t t = 0; t < tokens; ++t) {
        in.push_back(x + t * hidden);
        to.push_back(shared.data() + t * hidden);
      }
      batch.add(view(w.shared->gate), view(w.shared->up), view(w.shared->down), in, std::move(to));
    }
    batch.run();

    cpu::parallel_for(tokens, [&](std::size_t t) {
      float* row = y + t * hidden;
      std::fill(row, row + hidden, 0.0f);
      for (std::size_t pick = t * k; pick < (t + 1) * k; ++pick) {
        for (std::size_t i = 0; i < hidden; ++i) row[i] += scores[pick] * outs[pick * hidden + i];
      }
      for (std::size_t i = 0; i < hidden && w.shared; ++i) row[i] += shared[t * hidden + i];
    });
  }

  std::shared_ptr<const ExpertWeights> w_;
};

}  // namespace

mx::array experts(const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const std::shared_ptr<const ExpertWeights>& w) {
  if (backend() == Backend::mlx) return experts_plain(x, indices, scores, *w);
  return make_node<Experts>(x.shape(), {contiguous_f32(x), contiguous_as(mx::uint32, indices), contiguous_f32(scores)},
                            w);
}

mx::array swiglu(const mx::array& x, const std::shared_ptr<const SwiGluWeights>& w) {
  if (backend() == Backend::mlx) return swiglu_plain(x, *w);
  return make_node<SwiGlu>(x.shape(), {contiguous_f32(x)}, w);
}

}  // namespace glimt::kernels
