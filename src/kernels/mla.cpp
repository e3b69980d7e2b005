#include "base/error.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/buffer.h"
#include "kernels/cpu/grouped_matmul.h"
#include "kernels/cpu/mla_rows.h"
#include "kernels/cpu/norm.h"
#include "kernels/cpu/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/primitive.h"

#include <cmath>
#include <limits>

namespace glimt::kernels {
namespace {

MlaForm g_form = MlaForm::automatic;

struct Sizes {
  explicit Sizes(const MlaWeights& w)
      : heads(w.embed_q.count),
        latent(w.embed_q.rows),
        nope(w.embed_q.columns),
        rope(w.rotary.dims()),
        v(w.unembed_out.rows) {}
  int heads, latent, nope, rope, v;
};

// ---- Plain MLX: the definition.

// Additive mask [L, T]: query i, at position T - L + i, sees the keys up to itself.
mx::array causal_mask(int queries, int keys, mx::Dtype dtype) {
  const mx::array q = mx::expand_dims(mx::arange(keys - queries, keys, mx::int32), 1);
  const mx::array k = mx::arange(0, keys, mx::int32);
  return mx::where(mx::greater(k, q), mx::array(-std::numeric_limits<float>::infinity(), dtype),
                   mx::array(0.0f, dtype));
}

// One sequence's queries, [1, heads, L, ..], rotated.
struct Queries {
  mx::array nope, pe;
};

// One key head for all query heads: the heads are rows of the same product. keys [1, T, latent + rope].
mx::array absorbed(const Queries& q, const mx::array& keys, const MlaWeights& w) {
  const Sizes n(w);
  const int length = q.pe.shape(2), count = keys.shape(1);
  const mx::array q_latent = matmul_plain(q.nope, w.embed_q, true);
  const mx::array queries = mx::multiply(mx::concatenate({q_latent, q.pe}, -1), mx::array(w.scale, keys.dtype()));
  mx::array scores =
      mx::matmul(mx::reshape(queries, {1, n.heads * length, n.latent + n.rope}), mx::swapaxes(keys, 1, 2));
  scores = mx::reshape(scores, {1, n.heads, length, count});
  if (length > 1) scores = mx::add(scores, causal_mask(length, count, scores.dtype()));
  const mx::array weights = mx::reshape(mx::softmax(scores, -1, true), {1, n.heads * length, count});
  const mx::array latents = mx::matmul(weights, mx::slice(keys, {0, 0, 0}, {1, count, n.latent}));
  return matmul_plain(mx::reshape(latents, {1, n.heads, length, n.latent}), w.unembed_out, true);
}

// k_nope = embed_qᵀ latent and v = unembed_out latent for every key, then ordinary attention.
mx::array expanded(const Queries& q, const mx::array& keys, const MlaWeights& w) {
  const Sizes n(w);
  const int count = keys.shape(1);
  const mx::array latents = mx::expand_dims(mx::slice(keys, {0, 0, 0}, {1, count, n.latent}), 1);
  const mx::array k_pe = mx::expand_dims(mx::slice(keys, {0, 0, n.latent}, {1, count, n.latent + n.rope}), 1);
  const mx::array k_nope = matmul_plain(mx::broadcast_to(latents, {1, n.heads, count, n.latent}), w.embed_q, false);
  const mx::array k = mx::concatenate({k_nope, mx::broadcast_to(k_pe, {1, n.heads, count, n.rope})}, -1);
  const mx::array v = matmul_plain(mx::broadcast_to(latents, {1, n.heads, count, n.latent}), w.unembed_out, true);
  return mx::fast::scaled_dot_product_attention(mx::concatenate({q.nope, q.pe}, -1), k, v, w.scale, "causal");
}

// Multiply-adds of a head: the absorbed form costs 2 latent + rope a (query, key) pair and projects every query, the
// expanded one costs nope + rope + v a pair and projects every key.
bool expand_pays(int queries, int keys, const Sizes& n) {
  if (g_form != MlaForm::automatic) return g_form == MlaForm::expanded;
  const auto pairs = static_cast<double>(queries) * keys;
  const double projection = static_cast<double>(n.latent) * (n.nope + n.v);
  return pairs * (n.nope + n.rope + n.v) + keys * projection < pairs * (2 * n.latent + n.rope) + queries * projection;
}

// Stores new rows [L, width] at their places.
void store_plain(PagedRows& rows, const StepSequence& sequence, const mx::array& fresh) {
  for (int done = 0; done < sequence.length;) {
    const int at = sequence.position + done, row = at % kBlockRows;
    const int count = std::min(sequence.length - done, kBlockRows - row);
    const int block = sequence.blocks[static_cast<std::size_t>(at / kBlockRows)];
    const mx::array part = mx::reshape(mx::slice(fresh, {done, 0}, {done + count, rows.width}), {1, count, rows.width});
    const mx::array storage = std::move(*rows.array);
    rows.array.reset();  // the only reference moves into the graph, so that MLX updates the buffer in place
    rows.array =
        mx::slice_update(storage, part, mx::Shape{block, row, 0}, mx::Shape{block + 1, row + count, rows.width});
    done += count;
  }
}

mx::array keys_plain(const PagedRows& rows, const StepSequence& sequence, mx::Dtype dtype) {  // [1, T, width]
  const int count = sequence.position + sequence.length, used = blocks_for(count);
  const mx::array table(sequence.blocks.begin(), {used}, mx::int32);
  const mx::array all = mx::reshape(mx::take(*rows.array, table, 0), {1, used * kBlockRows, rows.width});
  return mx::astype(mx::slice(all, {0, sequence.first_key, 0}, {1, count, rows.width}), dtype);
}

mx::array mla_plain(const mx::array& q, const mx::array& kv, const MlaWeights& w, PagedRows& rows, const Step& step) {
  const Sizes n(w);
  std::vector<mx::array> results;
  int first = 0;
  for (const StepSequence& sequence : step) {
    const int last = first + sequence.length;
    const auto part = [&](const mx::array& x) { return mx::slice(x, {first, 0}, {last, x.shape(1)}); };
    const std::vector<mx::array> kv_parts = mx::split(part(kv), mx::Shape{n.latent}, -1);
    const mx::array k_pe =
        rotate(mx::reshape(kv_parts[1], {1, 1, sequence.length, n.rope}), w.rotary, sequence.position);
    const mx::array fresh =
        mx::concatenate({rms_norm(kv_parts[0], w.norm, w.norm_eps), mx::reshape(k_pe, {sequence.length, n.rope})}, -1);
    store_plain(rows, sequence, mx::astype(fresh, rows.array->dtype()));

    const mx::array by_head = mx::swapaxes(mx::reshape(part(q), {1, sequence.length, n.heads, n.nope + n.rope}), 1, 2);
    const std::vector<mx::array> q_parts = mx::split(by_head, mx::Shape{n.nope}, -1);
    const Queries queries{q_parts[0], rotate(q_parts[1], w.rotary, sequence.position)};
    const mx::array keys = keys_plain(rows, sequence, q.dtype());
    const mx::array heads =
        expand_pays(sequence.length, keys.shape(1), n) ? expanded(queries, keys, w) : absorbed(queries, keys, w);
    results.push_back(mx::reshape(mx::swapaxes(heads, 1, 2), {sequence.length, n.heads * n.v}));
    first = last;
  }
  return results.size() == 1 ? results[0] : mx::concatenate(results, 0);
}

// ---- Our kernels, in the absorbed form.

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

// One layer of a step: its inputs, and the work in the order it is done in.
class MlaStep {
 public:
  MlaStep(const MlaWeights& w, const PagedRows& rows, const Step& step, const float* q, const float* kv, float* out)
      : w_(w), n_(w), rows_(rows), step_(step), q_(q), kv_(kv), out_(out), count_(row_count(step)) {}

  void run() {
    const std::size_t heads = size(n_.heads), total = size(count_);
    q_latent_ = cpu::Buffer<float>(heads * total * size(n_.latent));
    q_pe_ = cpu::Buffer<float>(heads * total * size(n_.rope));
    store_rows_and_rotate();
    embed_queries();
    attended_ = cpu::Buffer<float>(heads * total * size(n_.latent));
    attend();
    unembed();
  }

 private:
  static std::size_t size(int n) { return static_cast<std::size_t>(n); }

  std::byte* row_at(const StepSequence& sequence, int position) const {
    const std::size_t block = size(sequence.blocks[size(position / kBlockRows)]);
    return rows_.memory + (block * kBlockRows + size(position % kBlockRows)) * row_bytes(rows_.type, rows_.width);
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

  // One matrix a head: row i of head h from `in(i, h)` to `out(i, h)`.
  template <typename In, typename Out>
  void multiply_heads(const Weight& w, In in, Out out) const {
    std::vector<const float*> inputs;
    std::vector<cpu::Product> products(size(n_.heads));
    for (std::size_t h = 0; h < products.size(); ++h) {
      products[h].w = view(w, static_cast<int>(h));
      products[h].first = inputs.size();
      for (std::size_t row = 0; row < size(count_); ++row) {
        inputs.push_back(in(row, h));
        products[h].y.push_back(out(row, h));
      }
    }
    cpu::Activations activations(std::move(inputs), std::vector(products.size(), size(count_)), w.columns);
    for (cpu::Product& product : products) product.x = &activations;
    cpu::multiply(products);
  }

  void embed_queries() {
    multiply_heads(
        w_.embed_q, [&](std::size_t row, std::size_t h) { return query(row, h); },
        [&](std::size_t row, std::size_t h) { return q_latent_.data() + (h * size(count_) + row) * size(n_.latent); });
  }

  void attend() {
    const cpu::AttentionShape shape{n_.heads, n_.latent, n_.rope, w_.scale};
    std::vector<cpu::AttentionSequence> sequences;
    std::size_t first = 0;
    for (const StepSequence& s : step_) {
      sequences.push_back({s.length, q_latent_.data() + first * size(n_.latent), q_pe_.data() + first * size(n_.rope),
                           attended_.data() + first * size(n_.latent), count_, rows_.type, rows_.memory,
                           s.blocks.data(), s.position + s.length, s.first_key});
      first += size(s.length);
    }
    const auto format = rows_.type == RowType::q8 ? RowType::bf16 : rows_.type;
    cpu::latent_attention(shape, sequences, cpu::attention_kernel(format, rows_.width, cpu::exact()));
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
  const PagedRows& rows_;
  const Step& step_;
  const float *q_, *kv_;
  float* out_;
  int count_;
  cpu::Buffer<float> q_latent_, q_pe_, attended_;  // [heads, count, ..]
};

class Mla : public CpuPrimitive {
 public:
  Mla(mx::Shape shape, std::shared_ptr<const MlaWeights> w, PagedRows rows, StepPtr step)
      : CpuPrimitive(std::move(shape)), w_(std::move(w)), rows_(std::move(rows)), step_(std::move(step)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, mx::array& out) override {
    allocate(out);
    dispatch_kernel(stream(), out,
                    [w = w_, rows = rows_, step = step_, q = inputs[0].data<float>(), kv = inputs[1].data<float>(),
                     y = out.data<float>()] { MlaStep(*w, rows, *step, q, kv, y).run(); });
  }

  const char* name() const override { return "GlimtMla"; }

 private:
  std::shared_ptr<const MlaWeights> w_;
  PagedRows rows_;
  StepPtr step_;
};

void check(const mx::array& q, const mx::array& kv, const Sizes& n, const PagedRows& rows, const Step& step) {
  const int count = row_count(step);
  const bool fits = q.shape() == mx::Shape{count, n.heads * (n.nope + n.rope)} &&
                    kv.shape() == mx::Shape{count, n.latent + n.rope} && rows.width == n.latent + n.rope;
  if (!fits) fail(ErrorKind::internal, "mla", "inputs of another shape than the step's {} rows", count);
  for (const StepSequence& s : step) {
    const auto room = static_cast<std::int64_t>(s.blocks.size()) * kBlockRows;
    if (s.length < 1 || s.position < s.first_key || std::int64_t{s.position} + s.length > room) {
      fail(ErrorKind::internal, "mla", "{} rows at position {} do not fit {} blocks", s.length, s.position,
           s.blocks.size());
    }
  }
}

}  // namespace

void set_mla_form(MlaForm form) { g_form = form; }

mx::array mla(const mx::array& q, const mx::array& kv, const std::shared_ptr<const MlaWeights>& w, PagedRows& rows,
              const StepPtr& step) {
  const Sizes n(*w);
  check(q, kv, n, rows, *step);
  if (rows.array) return mla_plain(q, kv, *w, rows, *step);
  return make_node<Mla>(mx::Shape{q.shape(0), n.heads * n.v}, {contiguous_f32(q), contiguous_f32(kv)}, w, rows, step);
}

}  // namespace glimt::kernels
