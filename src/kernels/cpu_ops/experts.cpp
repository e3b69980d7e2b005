#include "kernels/cpu/buffer.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/primitive.h"
#include "kernels/cpu_ops/views.h"

#include <algorithm>
#include <map>

namespace glimt::kernels::on_cpu {
namespace {

// Several SwiGLUs over rows of one width, run together: all gate and up products, then silu, then all down products.
// Add everything, then run once.
class SwiGluBatch {
 public:
  SwiGluBatch(std::size_t hidden, bool exact) : hidden_(hidden), exact_(exact) {}

  // The rows x[i] (of `hidden` floats) through one set of matrices into y[i]. If the set before has the same rows, as
  // all experts of a single token do, the two share them.
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
    cpu::multiply(first, exact_);

    const auto silu = [&](std::size_t i) {
      const auto [at, count] = inner_rows[i];
      cpu::isa().silu_multiply(gates.data() + at, ups.data() + at, count);
    };
    cpu::parallel_for_if(inner_rows.size() > kSerialRows, inner_rows.size(), silu);
    std::map<std::size_t, cpu::Activations> hidden;
    for (auto& [columns, inner] : inner_by_width)
      hidden.try_emplace(columns, std::move(inner.rows), std::move(inner.counts), static_cast<int>(columns));
    for (cpu::Product& product : second) product.x = &hidden.at(static_cast<std::size_t>(product.w.columns));
    cpu::multiply(second, exact_);
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
  bool exact_;
  std::vector<const float*> inputs_;
  std::vector<std::size_t> counts_;  // of inputs_ that belong together
  std::vector<Branch> branches_;
};

class SwiGlu : public CpuPrimitive {
 public:
  SwiGlu(Device device, mx::Shape shape, SwiGluPtr w)
      : CpuPrimitive(std::move(device), std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch(stream(), out,
             [w = w_, exact = exact(), x = inputs[0].data<float>(), y = out.data<float>(), size = out.size()] {
               const auto hidden = static_cast<std::size_t>(w->gate.columns);
               std::vector<const float*> in;
               std::vector<float*> to;
               for (std::size_t at = 0; at < size; at += hidden) {
                 in.push_back(x + at);
                 to.push_back(y + at);
               }
               SwiGluBatch batch(hidden, exact);
               batch.add(view(w->gate), view(w->up), view(w->down), in, std::move(to));
               batch.run();
             });
  }

  const char* name() const override { return "GlimtSwiGlu"; }

 private:
  SwiGluPtr w_;
};

class Experts : public CpuPrimitive {
 public:
  Experts(Device device, mx::Shape shape, ExpertsPtr w)
      : CpuPrimitive(std::move(device), std::move(shape)), w_(std::move(w)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch(
        stream(), out,
        [w = w_, exact = exact(), x = inputs[0].data<float>(), indices = inputs[1].data<std::uint32_t>(),
         scores = inputs[2].data<float>(), y = out.data<float>(), tokens = static_cast<std::size_t>(inputs[1].shape(0)),
         k = static_cast<std::size_t>(inputs[1].shape(1))] { run(*w, exact, x, indices, scores, tokens, k, y); });
  }

  const char* name() const override { return "GlimtExperts"; }

 private:
  static void run(const ExpertWeights& w, bool exact, const float* x, const std::uint32_t* indices, const float* scores,
                  std::size_t tokens, std::size_t k, float* y) {
    const std::size_t count = matrix_count(w.gate);
    const auto hidden = static_cast<std::size_t>(w.down[0].rows);
    const cpu::Buffer<float> outs(tokens * k * hidden);  // of pick t * k + j
    std::vector<std::vector<std::size_t>> picks_of(count);
    for (std::size_t pick = 0; pick < tokens * k; ++pick)
      picks_of[std::min<std::size_t>(indices[pick], count - 1)].push_back(pick);

    SwiGluBatch batch(hidden, exact);
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

  ExpertsPtr w_;
};

}  // namespace

mx::array experts(const Device& device, const mx::array& x, const mx::array& indices, const mx::array& scores,
                  const ExpertsPtr& w) {
  return make_node<Experts>(device, x.shape(),
                            {contiguous_f32(x), contiguous_as(mx::uint32, indices), contiguous_f32(scores)}, w);
}

mx::array swiglu(const Device& device, const mx::array& x, const SwiGluPtr& w) {
  return make_node<SwiGlu>(device, x.shape(), {contiguous_f32(x)}, w);
}

}  // namespace glimt::kernels::on_cpu
