// Latent attention: norm, rotary embedding, storing the rows, and attention over each sequence's blocks, in the absorbed
// form, or in the expanded one (expanded_heads.h) where that is asked for.
#include "kernels/cpu/attention.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/norm.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/cpu_ops/cpu_ops.h"
#include "kernels/cpu_ops/expanded_heads.h"
#include "kernels/cpu_ops/host_rows.h"
#include "kernels/cpu_ops/primitive.h"
#include "kernels/cpu_ops/views.h"
#include "kernels/ops.h"

#include <cmath>

namespace glimt::kernels::on_cpu {
namespace {

static_assert(kBlockRows == cpu::kKeyBlock, "a block of the cache is a block of keys");

using Sizes = MlaSizes;

// Sines and cosines of one position.
class Angles {
 public:
  Angles(const Rotary& rotary, int position) : rotary_(rotary) {
    for (const float frequency : rotary.frequencies) {
      const float angle = static_cast<float>(position) * frequency;
      cos_.push_back(std::cos(angle) * rotary.magnitude);
      sin_.push_back(std::sin(angle) * rotary.magnitude);
    }
  }

  void rotate(const float* x, float* y) const {  // y is not x
    const std::size_t half = cos_.size();
    for (std::size_t i = 0; i < half; ++i) {
      const std::size_t a = rotary_.interleaved ? 2 * i : i, b = rotary_.interleaved ? 2 * i + 1 : i + half;
      y[a] = x[a] * cos_[i] - x[b] * sin_[i];
      y[b] = x[a] * sin_[i] + x[b] * cos_[i];
    }
  }

 private:
  const Rotary& rotary_;
  std::vector<float> cos_, sin_;
};

// A layer's rows, kept alive until the kernel has run.
struct Rows {
  RowType type;
  int width;
  std::shared_ptr<std::byte> memory;
};

// One layer of a step: its inputs, and the work in the order it is done in.
class MlaStep {
 public:
  MlaStep(const MlaWeights& w, const Rows& rows, const Step& step, MlaForm form, bool exact, const float* q,
          const float* kv, float* out)
      : w_(w), n_(w), rows_(rows), exact_(exact), step_(step), q_(q), kv_(kv), out_(out), count_(row_count(step)) {
    int first = 0;
    for (const StepSequence& sequence : step) {
      (expands(sequence, form) ? expanded_ : absorbed_).push_back({&sequence, first});
      first += sequence.length;
    }
  }

  void run() {
    const std::size_t heads = size(n_.heads), total = size(count_);
    q_latent_ = cpu::Buffer<float>(heads * total * size(n_.latent));
    q_pe_ = cpu::Buffer<float>(heads * total * size(n_.rope));
    store_rows_and_rotate();
    for (const Place& place : expanded_) attend_expanded(place);
    if (absorbed_.empty()) return;
    embed_queries();
    attended_ = cpu::Buffer<float>(heads * total * size(n_.latent));
    attend();
    unembed();
  }

 private:
  // A sequence of the step and its first row there.
  struct Place {
    const StepSequence* sequence;
    int first;
  };

  static std::size_t size(int n) { return static_cast<std::size_t>(n); }

  // Transposing embed_q for a short chunk would take longer than it gains.
  static constexpr int kFewestExpanded = 256;

  bool expands(const StepSequence& s, MlaForm form) const {
    if (form != MlaForm::automatic) return form == MlaForm::expanded;
    const double seen = s.position - s.first_key + 0.5 * (s.length + 1);  // keys, by a query on average
    return s.length >= kFewestExpanded && expand_pays(s.length * seen, s.length, s.position + s.length, n_);
  }

  std::byte* row_at(const StepSequence& sequence, int position) const {
    const std::size_t block = size(sequence.blocks[size(position / kBlockRows)]);
    return rows_.memory.get() + (block * kBlockRows + size(position % kBlockRows)) * row_bytes(rows_.type, rows_.width);
  }

  void store_rows_and_rotate() {
    std::vector<std::pair<const StepSequence*, int>> places;  // of each row: its sequence and position
    for (const StepSequence& sequence : step_) {
      for (int i = 0; i < sequence.length; ++i) places.emplace_back(&sequence, sequence.position + i);
    }
    const std::size_t latent = size(n_.latent), width = size(rows_.width), rope = size(n_.rope);
    const auto one = [&](std::size_t row) {
      const auto [sequence, position] = places[row];
      const Angles angles(w_.rotary, position);
      std::vector<float> fresh(width);
      cpu::rms_norm(kv_ + row * width, w_.norm.data<float>(), latent, w_.norm_eps, fresh.data());
      angles.rotate(kv_ + row * width + latent, fresh.data() + latent);
      cpu::store_row(rows_.type, fresh.data(), rows_.width, row_at(*sequence, position));
      for (std::size_t h = 0; h < size(n_.heads); ++h)
        angles.rotate(query(row, h) + n_.nope, q_pe_.data() + (h * size(count_) + row) * rope);
    };
    cpu::parallel_for_if(places.size() >= kParallelRows, places.size(), one);
  }

  const float* query(std::size_t row, std::size_t head) const {
    return q_ + (row * size(n_.heads) + head) * size(n_.nope + n_.rope);
  }

  // One matrix a head, for the sequences that are absorbed: row i of head h from `in(i, h)` to `out(i, h)`.
  template <typename In, typename Out>
  void multiply_heads(const Weight& w, In in, Out out) const {
    std::vector<const float*> inputs;
    std::vector<cpu::Product> products(size(n_.heads));
    for (std::size_t h = 0; h < products.size(); ++h) {
      products[h].w = view(w, static_cast<int>(h));
      products[h].first = inputs.size();
      for (const Place& place : absorbed_) {
        for (std::size_t row = size(place.first); row < size(place.first + place.sequence->length); ++row) {
          inputs.push_back(in(row, h));
          products[h].y.push_back(out(row, h));
        }
      }
    }
    const std::size_t rows = products[0].y.size();
    cpu::Activations activations(std::move(inputs), std::vector(products.size(), rows), w.columns);
    for (cpu::Product& product : products) product.x = &activations;
    cpu::multiply(products, exact_);
  }

  void embed_queries() {
    multiply_heads(
        w_.embed_q, [&](std::size_t row, std::size_t h) { return query(row, h); },
        [&](std::size_t row, std::size_t h) { return q_latent_.data() + (h * size(count_) + row) * size(n_.latent); });
  }

  void attend() {
    const cpu::AttentionShape shape{n_.heads, {n_.latent, n_.rope, n_.latent}, w_.scale};
    std::vector<cpu::AttentionSequence> sequences;
    for (const Place& place : absorbed_) {
      const StepSequence& s = *place.sequence;
      const std::size_t first = size(place.first);
      sequences.push_back({s.length, q_latent_.data() + first * size(n_.latent), q_pe_.data() + first * size(n_.rope),
                           attended_.data() + first * size(n_.latent), count_, rows_.type, rows_.memory.get(),
                           s.blocks.data(), s.position + s.length, s.first_key, nullptr});
    }
    const auto format = rows_.type == RowType::q8 ? RowType::bf16 : rows_.type;
    cpu::latent_attention(shape, sequences, cpu::attention_kernel(format, rows_.width, exact_));
  }

  void attend_expanded(const Place& place) {
    const StepSequence& s = *place.sequence;
    const std::size_t first = size(place.first), heads = size(n_.heads);
    ExpandedHeads(w_, rows_.type, s.position + s.length, s.first_key, exact_,
                  [&](int position) { return row_at(s, position); })
        .attend({s.length, q_ + first * heads * size(n_.nope + n_.rope), q_pe_.data() + first * size(n_.rope), count_,
                 out_ + first * heads * size(n_.v)});
  }

  void unembed() {
    multiply_heads(
        w_.unembed_out,
        [&](std::size_t row, std::size_t h) { return attended_.data() + (h * size(count_) + row) * size(n_.latent); },
        [&](std::size_t row, std::size_t h) { return out_ + (row * size(n_.heads) + h) * size(n_.v); });
  }

  static constexpr std::size_t kParallelRows = 8;

  const MlaWeights& w_;
  const Sizes n_;
  const Rows& rows_;
  const bool exact_;
  const Step& step_;
  const float *q_, *kv_;
  float* out_;
  int count_;
  std::vector<Place> absorbed_, expanded_;
  cpu::Buffer<float> q_latent_, q_pe_, attended_;  // [heads, count, ..]
};

class LatentAttention : public CpuPrimitive {
 public:
  LatentAttention(Device device, mx::Shape shape, MlaPtr w, Rows rows, StepPtr step)
      : CpuPrimitive(std::move(device), std::move(shape)),
        w_(std::move(w)),
        rows_(std::move(rows)),
        step_(std::move(step)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch(stream(), out,
             [w = w_, rows = rows_, step = step_, form = ops().mla_form, exact = exact(), q = inputs[0].data<float>(),
              kv = inputs[1].data<float>(),
              y = out.data<float>()] { MlaStep(*w, rows, *step, form, exact, q, kv, y).run(); });
  }

  const char* name() const override { return "GlimtMla"; }

 private:
  MlaPtr w_;
  Rows rows_;
  StepPtr step_;
};

}  // namespace

mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& paged,
              const StepPtr& step) {
  const Sizes n(*w);
  const Rows rows{paged.type(), paged.width(), as_kind<HostRows>(paged).memory()};
  return make_node<LatentAttention>(device, mx::Shape{q.shape(0), n.heads * n.v},
                                    {contiguous_f32(q), contiguous_f32(kv)}, w, rows, step);
}

}  // namespace glimt::kernels::on_cpu
