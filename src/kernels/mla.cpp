#include "base/error.h"
#include "kernels/array_rows.h"
#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"

#include <algorithm>
#include <limits>

namespace glimt::kernels {
namespace {

void check(const mx::array& q, const mx::array& kv, const MlaSizes& n, const PagedRows& rows, const Step& step) {
  const int count = row_count(step);
  const bool fits = q.shape() == mx::Shape{count, n.heads * (n.nope + n.rope)} &&
                    kv.shape() == mx::Shape{count, n.latent + n.rope} && rows.width() == n.latent + n.rope;
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

mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& rows,
              const StepPtr& step) {
  check(q, kv, MlaSizes(*w), rows, *step);
  return device.ops().mla(device, q, kv, w, rows, step);
}

namespace plain {
namespace {

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
  const MlaSizes n(w);
  const int length = q.pe.shape(2), count = keys.shape(1);
  const mx::array q_latent = matmul(q.nope, w.embed_q, true);
  const mx::array queries = mx::multiply(mx::concatenate({q_latent, q.pe}, -1), mx::array(w.scale, keys.dtype()));
  mx::array scores =
      mx::matmul(mx::reshape(queries, {1, n.heads * length, n.latent + n.rope}), mx::swapaxes(keys, 1, 2));
  scores = mx::reshape(scores, {1, n.heads, length, count});
  if (length > 1) scores = mx::add(scores, causal_mask(length, count, scores.dtype()));
  const mx::array weights = mx::reshape(mx::softmax(scores, -1, true), {1, n.heads * length, count});
  const mx::array latents = mx::matmul(weights, mx::slice(keys, {0, 0, 0}, {1, count, n.latent}));
  return matmul(mx::reshape(latents, {1, n.heads, length, n.latent}), w.unembed_out, true);
}

// k_nope = embed_qᵀ latent and v = unembed_out latent for every key, then ordinary attention.
mx::array expanded(const Queries& q, const mx::array& keys, const MlaWeights& w) {
  const MlaSizes n(w);
  const int count = keys.shape(1);
  const mx::array latents = mx::expand_dims(mx::slice(keys, {0, 0, 0}, {1, count, n.latent}), 1);
  const mx::array k_pe = mx::expand_dims(mx::slice(keys, {0, 0, n.latent}, {1, count, n.latent + n.rope}), 1);
  const mx::array k_nope = matmul(mx::broadcast_to(latents, {1, n.heads, count, n.latent}), w.embed_q, false);
  const mx::array k = mx::concatenate({k_nope, mx::broadcast_to(k_pe, {1, n.heads, count, n.rope})}, -1);
  const mx::array v = matmul(mx::broadcast_to(latents, {1, n.heads, count, n.latent}), w.unembed_out, true);
  return mx::fast::scaled_dot_product_attention(mx::concatenate({q.nope, q.pe}, -1), k, v, w.scale, "causal");
}

// Multiply-adds of a head: the absorbed form costs 2 latent + rope a (query, key) pair and projects every query, the
// expanded one costs nope + rope + v a pair and projects every key.
bool expand_pays(int queries, int keys, const MlaSizes& n) {
  const auto pairs = static_cast<double>(queries) * keys;
  const double projection = static_cast<double>(n.latent) * (n.nope + n.v);
  return pairs * (n.nope + n.rope + n.v) + keys * projection < pairs * (2 * n.latent + n.rope) + queries * projection;
}

template <MlaForm form>
bool expands(int queries, int keys, const MlaSizes& n) {
  return form == MlaForm::automatic ? expand_pays(queries, keys, n) : form == MlaForm::expanded;
}

// Stores new rows [L, width] at their places.
void store(ArrayRows& rows, const StepSequence& sequence, const mx::array& fresh) {
  for (int done = 0; done < sequence.length;) {
    const int at = sequence.position + done, row = at % kBlockRows;
    const int count = std::min(sequence.length - done, kBlockRows - row);
    const mx::array part = mx::slice(fresh, {done, 0}, {done + count, rows.width()});
    rows.update(sequence.blocks[static_cast<std::size_t>(at / kBlockRows)], row, mx::expand_dims(part, 0));
    done += count;
  }
}

mx::array keys_of(const ArrayRows& rows, const StepSequence& sequence, mx::Dtype dtype) {  // [1, T, width]
  const int count = sequence.position + sequence.length, used = blocks_for(count);
  const mx::array table(sequence.blocks.begin(), {used}, mx::int32);
  const mx::array all = mx::reshape(mx::take(rows.array(), table, 0), {1, used * kBlockRows, rows.width()});
  return mx::astype(mx::slice(all, {0, sequence.first_key, 0}, {1, count, rows.width()}), dtype);
}

}  // namespace

template <MlaForm form>
mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& weights, PagedRows& paged,
              const StepPtr& step) {
  const MlaWeights& w = *weights;
  const MlaSizes n(w);
  auto& rows = as_kind<ArrayRows>(paged);
  std::vector<mx::array> results;
  int first = 0;
  for (const StepSequence& sequence : *step) {
    const int last = first + sequence.length;
    const auto part = [&](const mx::array& x) { return mx::slice(x, {first, 0}, {last, x.shape(1)}); };
    const std::vector<mx::array> kv_parts = mx::split(part(kv), mx::Shape{n.latent}, -1);
    const mx::array k_pe =
        rotate(mx::reshape(kv_parts[1], {1, 1, sequence.length, n.rope}), w.rotary, sequence.position);
    const mx::array fresh = mx::concatenate(
        {plain::rms_norm(device, kv_parts[0], w.norm, w.norm_eps), mx::reshape(k_pe, {sequence.length, n.rope})}, -1);
    store(rows, sequence, mx::astype(fresh, rows.array().dtype()));

    const mx::array by_head = mx::swapaxes(mx::reshape(part(q), {1, sequence.length, n.heads, n.nope + n.rope}), 1, 2);
    const std::vector<mx::array> q_parts = mx::split(by_head, mx::Shape{n.nope}, -1);
    const Queries queries{q_parts[0], rotate(q_parts[1], w.rotary, sequence.position)};
    const mx::array keys = keys_of(rows, sequence, q.dtype());
    const mx::array heads =
        expands<form>(sequence.length, keys.shape(1), n) ? expanded(queries, keys, w) : absorbed(queries, keys, w);
    results.push_back(mx::reshape(mx::swapaxes(heads, 1, 2), {sequence.length, n.heads * n.v}));
    first = last;
  }
  return results.size() == 1 ? results[0] : mx::concatenate(results, 0);
}

template mx::array mla<MlaForm::automatic>(const Device&, const mx::array&, const mx::array&, const MlaPtr&, PagedRows&,
                                           const StepPtr&);
template mx::array mla<MlaForm::absorbed>(const Device&, const mx::array&, const mx::array&, const MlaPtr&, PagedRows&,
                                          const StepPtr&);
template mx::array mla<MlaForm::expanded>(const Device&, const mx::array&, const mx::array&, const MlaPtr&, PagedRows&,
                                          const StepPtr&);

}  // namespace plain
}  // namespace glimt::kernels
