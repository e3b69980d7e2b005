#include "base/error.h"
#include "kernels/array_rows.h"
#include "kernels/kernels.h"
#include "kernels/ops.h"
#include "kernels/plain.h"
#include "kernels/plain_state.h"

#include <mlx/backend/cuda/cuda.h>
#include <mlx/backend/metal/metal.h>

#include <algorithm>
#include <cstdint>

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

bool expand_pays(double pairs, int queries, int keys, const MlaSizes& n) {
  const double projection = static_cast<double>(n.latent) * (n.nope + n.v);
  return pairs * (n.nope + n.rope + n.v) + keys * projection < pairs * (2 * n.latent + n.rope) + queries * projection;
}

namespace plain {
namespace {

mx::array rows_of(const mx::array& x, int from, int to) {
  mx::Shape start(x.ndim(), 0), stop = x.shape();
  start[0] = from;
  stop[0] = to;
  return mx::slice(x, start, stop);
}

// q [N, heads · (nope + rope)] by head, its last columns turned but without the magnitude: [N, H, 1, nope + rope].
mx::array rotated_queries(const mx::array& q, const MlaWeights& w, const DenseHeads& heads, const StepArrays& step) {
  const MlaSizes n(w);
  const mx::array by_head = mx::reshape(q, {step.rows, n.heads, 1, n.nope + n.rope});
  if (heads.turns_whole_queries) return rotate(by_head, w.rotary, heads.query_periods, step.positions);
  const std::vector<mx::array> parts = mx::split(by_head, mx::Shape{n.nope}, -1);
  return mx::concatenate({parts[0], rotate(parts[1], w.rotary, heads.query_periods, step.positions)}, -1);
}

// [norm(latent) | rotated k_pe] of the new rows into the cache.
void store(const Device& device, const mx::array& kv, const MlaWeights& w, const DenseHeads& heads,
           const StepArrays& step, ArrayRows& rows) {
  const MlaSizes n(w);
  const std::vector<mx::array> parts = mx::split(kv, mx::Shape{n.latent}, -1);
  mx::array k_pe = rotate(mx::expand_dims(parts[1], {1, 2}), w.rotary, heads.key_periods, step.positions);
  k_pe = mx::squeeze(k_pe, std::vector<int>{1, 2});
  if (w.rotary.magnitude != 1.0f) k_pe = mx::multiply(k_pe, mx::array(w.rotary.magnitude, k_pe.dtype()));
  rows.store(step, {plain::rms_norm(device, parts[0], w.norm, w.norm_eps), k_pe});
}

// One key head for all query heads: the heads are rows of the same product. q [H, L, latent + rope] in latent space and
// keys [T, latent + rope] -> weighted keys, like q.
mx::array attend_latents(State& state, const mx::array& q, const mx::array& keys) {
  const int heads = q.shape(0), length = q.shape(1), width = q.shape(2), count = keys.shape(0);
  mx::array scores = mx::matmul(mx::reshape(q, {heads * length, width}), mx::transpose(keys));
  if (length > 1) {
    const mx::array& mask = state.causal_mask(length, count, scores.dtype());
    scores = mx::reshape(mx::add(mx::reshape(scores, {heads, length, count}), mask), {heads * length, count});
  }
  return mx::reshape(mx::matmul(mx::softmax(scores, -1, true), keys), {heads, length, width});
}

// q [H, L, nope + rope] and keys [T, latent + rope] -> [H, L, v].
mx::array absorbed(State& state, const mx::array& q, const mx::array& keys, const DenseHeads& heads) {
  return mx::matmul(attend_latents(state, mx::matmul(q, heads.queries), keys), heads.values);
}

// Most scores of one call: an attention that is not fused keeps them all.
constexpr std::int64_t kMostScores = std::int64_t{1} << 28;

// The last queries q [1, H, L, ..] of keys k and values v [1, H, T, ..] that are at hand. MLX's CUDA library has no fused
// kernel for heads as wide as this model's, and refused the narrower ones of a small model.
mx::array attend_causally(State& state, const mx::array& q, const mx::array& k, const mx::array& v) {
  if (!mx::cu::is_available()) {
    // Metal's fused kernel takes heads this wide only where it is told to, and refuses others.
    const bool forced = mx::metal::is_available() && k.shape(3) == 256 && v.shape(3) == 256;
    return mx::fast::scaled_dot_product_attention(q, k, v, 1.0f, "causal", std::nullopt, std::nullopt, forced);
  }
  const mx::array scores = mx::matmul(q, mx::swapaxes(k, -1, -2));
  const mx::array& mask = state.causal_mask(q.shape(2), k.shape(2), scores.dtype());
  return mx::matmul(mx::softmax(mx::add(scores, mask), -1, true), v);
}

// Keys and values of all heads from the latents first, then ordinary attention.
mx::array expanded(State& state, const mx::array& q, const mx::array& keys, const DenseHeads& heads) {
  const int length = q.shape(1), count = keys.shape(0);
  const mx::array one = mx::expand_dims(keys, 0);
  const auto of_all = [&](const mx::array& w) { return mx::expand_dims(mx::matmul(one, w), 0); };  // [1, H, T, ..]
  const mx::array k = of_all(mx::swapaxes(heads.queries, -1, -2)), v = of_all(heads.values);
  const mx::array queries = mx::expand_dims(q, 0);
  const auto part = [&](const mx::array& x, int from, int to) {
    return mx::slice(x, {0, 0, from, 0}, {1, q.shape(0), to, x.shape(3)});
  };
  const int step = static_cast<int>(std::max<std::int64_t>(1, kMostScores / (std::int64_t{q.shape(0)} * count)));
  std::vector<mx::array> results;
  for (int from = 0; from < length; from += step) {
    const int to = std::min(length, from + step), seen = count - (length - to);
    results.push_back(attend_causally(state, part(queries, from, to), part(k, 0, seen), part(v, 0, seen)));
  }
  return mx::squeeze(results.size() == 1 ? results[0] : mx::concatenate(results, 2), 0);
}

// All pairs are computed, those that the mask takes out, too.
bool expands(MlaForm form, int queries, int keys, const MlaSizes& n) {
  if (form != MlaForm::automatic) return form == MlaForm::expanded;
  return expand_pays(static_cast<double>(queries) * keys, queries, keys, n);
}

// A row of each sequence: projected together. q [N, H, 1, nope + rope] -> [N, H · v].
mx::array decoded(State& state, const mx::array& q, const std::vector<mx::array>& keys, const MlaSizes& n,
                  const DenseHeads& heads) {
  const int count = q.shape(0), width = n.latent + n.rope;
  const mx::array latent = mx::matmul(count == 1 ? mx::squeeze(q, 0) : q, heads.queries);
  std::vector<mx::array> results;
  for (int i = 0; i < count; ++i) {
    const mx::array own = count == 1 ? latent : mx::squeeze(rows_of(latent, i, i + 1), 0);
    results.push_back(attend_latents(state, own, keys[static_cast<std::size_t>(i)]));
  }
  const mx::array weighted =
      count == 1 ? results[0] : mx::reshape(mx::concatenate(results, 0), {count, n.heads, 1, width});
  return mx::reshape(mx::matmul(weighted, heads.values), {count, n.heads * n.v});
}

}  // namespace

DenseHeads dense_heads(const MlaWeights& w, mx::Dtype dtype) {
  const MlaSizes n(w);
  const mx::array keys = mx::multiply(mx::swapaxes(dequantize(w.embed_q, mx::float32), 1, 2), mx::array(w.scale));
  const mx::array pe = mx::broadcast_to(mx::multiply(mx::eye(n.rope), mx::array(w.scale * w.rotary.magnitude)),
                                        {n.heads, n.rope, n.rope});
  const mx::array queries = mx::concatenate({mx::concatenate({keys, mx::zeros({n.heads, n.nope, n.rope})}, 2),
                                             mx::concatenate({mx::zeros({n.heads, n.rope, n.latent}), pe}, 2)},
                                            1);  // [H, nope + rope, latent + rope]
  const mx::array values =
      mx::concatenate({dequantize(w.unembed_out, mx::float32), mx::zeros({n.heads, n.v, n.rope})}, 2);
  // A row of a product reads along a row of these: that is how MLX multiplies a single row fastest.
  const auto stored = [&](const mx::array& by_output) {
    const mx::array view = mx::swapaxes(mx::contiguous(mx::astype(by_output, dtype)), 1, 2);
    mx::eval(view);
    return view;
  };
  const bool whole = w.rotary.interleaved && n.nope % 2 == 0;
  return {stored(mx::swapaxes(queries, 1, 2)), stored(values), periods(w.rotary, whole ? n.nope / 2 : 0),
          periods(w.rotary), whole};
}

mx::array attend(const Device& device, const mx::array& queries, const MlaWeights& w, const DenseHeads& heads,
                 const ArrayRows& rows, const StepPtr& of) {
  const MlaSizes n(w);
  const MlaForm form = device.ops().mla_form;
  State& state = device.plain_state();
  const StepArrays& step = state.step(of);
  std::vector<mx::array> keys;
  for (const KeyRows& own : step.keys) keys.push_back(mx::astype(rows.keys(own), queries.dtype()));
  if (step.rows == static_cast<int>(of->size()) && form != MlaForm::expanded) {
    return decoded(state, queries, keys, n, heads);
  }

  std::vector<mx::array> results;
  int first = 0;
  for (std::size_t i = 0; i < of->size(); ++i) {
    const int length = (*of)[i].length;
    const mx::array own = mx::swapaxes(mx::squeeze(rows_of(queries, first, first + length), 2), 0, 1);
    const mx::array values = expands(form, length, keys[i].shape(0), n) ? expanded(state, own, keys[i], heads)
                                                                        : absorbed(state, own, keys[i], heads);
    results.push_back(mx::reshape(mx::swapaxes(values, 0, 1), {length, n.heads * n.v}));
    first += length;
  }
  return results.size() == 1 ? results[0] : mx::concatenate(results, 0);
}

mx::array mla(const Device& device, const mx::array& q, const mx::array& kv, const MlaPtr& w, PagedRows& paged,
              const StepPtr& of) {
  const DenseHeads heads = w->dense ? *w->dense : dense_heads(*w, q.dtype());
  const StepArrays& step = device.plain_state().step(of);
  auto& rows = as_kind<ArrayRows>(paged);
  store(device, kv, *w, heads, step, rows);
  return attend(device, rotated_queries(q, *w, heads, step), *w, heads, rows, of);
}

}  // namespace plain
}  // namespace glimt::kernels
