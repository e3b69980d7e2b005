#include "model/attention.h"

#include "base/error.h"
#include "kernels/ops.h"
#include "model/rope.h"

#include <numeric>

namespace glimt {
namespace {

std::optional<mx::array> bias_of(const Config& config, Weights& weights, const std::string& path, int size) {
  if (!config.attention_bias) return std::nullopt;
  return weights.take_vector(path + ".bias", size);
}

// A new matrix stack made at load, quantized like the tensor it came from where the columns allow it.
Weight derived(const mx::array& values, const std::optional<Quantization>& like) {
  if (like && values.shape(-1) % like->group_size == 0) return quantize(values, *like);
  const mx::array stored = mx::contiguous(values);
  mx::eval(stored);
  return {values.shape(0), values.shape(1), values.shape(2), stored,
          std::nullopt,    std::nullopt,    std::nullopt,    std::nullopt};
}

// The rows of a matrix that has `each` of them a head; the columns.
MatrixPart rows_of(Stretch heads, int each) { return {MatrixPart::Side::rows, heads.from * each, heads.to * each}; }
MatrixPart columns_of(Stretch heads, int each) {
  return {MatrixPart::Side::columns, heads.from * each, heads.to * each};
}

WeightPtr take_shared_part(Weights& weights, const std::string& path, int rows, int columns, const MatrixPart& part) {
  return std::make_shared<const Weight>(weights.take_part(path, rows, columns, 0, part));
}

// Taken on every rank.
std::optional<mx::array> once(std::optional<mx::array> bias, const LayerShare& share) {
  return share.has_what_is_added_once() ? std::move(bias) : std::nullopt;
}

struct KvB {
  Weight embed_q, unembed_out;
};

// mlx-lm stores the two halves of kv_b_proj apart, ready for the absorbed form. The released checkpoint and Ollama have
// one matrix whose rows are, for each head, qk_nope_head_dim of keys and v_head_dim of values.
KvB take_kv_b(const Config& c, Weights& weights, const std::string& path, Stretch part) {
  const int all = c.num_attention_heads, heads = part.size();
  const int nope = c.qk_nope_head_dim, v = c.v_head_dim, kv_lora = c.kv_lora_rank;
  if (!weights.has(path + ".kv_b_proj.weight")) {
    const MatrixPart of_stack{MatrixPart::Side::stack, part.from, part.to};
    Weight embed_q = weights.take_part(path + ".embed_q", kv_lora, nope, all, of_stack);
    return {std::move(embed_q), weights.take_part(path + ".unembed_out", v, kv_lora, all, of_stack)};
  }
  const Weight joined =
      aligned(weights.take_part(path + ".kv_b_proj", all * (nope + v), kv_lora, 0, rows_of(part, nope + v)));
  const mx::Dtype dtype = joined.quantization ? mx::float32 : joined.values.dtype();
  const mx::array by_head = mx::reshape(dequantize(joined, dtype), {heads, nope + v, kv_lora});
  const mx::array keys = mx::slice(by_head, {0, 0, 0}, {heads, nope, kv_lora});
  const mx::array values = mx::slice(by_head, {0, nope, 0}, {heads, nope + v, kv_lora});
  return {derived(mx::swapaxes(keys, 1, 2), joined.quantization), derived(values, joined.quantization)};
}

kernels::MlaPtr take_heads(const Config& c, Weights& weights, const std::string& path, Stretch part) {
  const RmsNorm norm(weights.device(), weights.take_vector(path + ".kv_a_layernorm.weight", c.kv_lora_rank),
                     c.rms_norm_eps);
  KvB kv_b = take_kv_b(c, weights, path, part);
  kernels::MlaWeights heads{
      std::move(kv_b.embed_q),
      std::move(kv_b.unembed_out),
      norm.weight(),
      norm.eps(),
      make_rotary(c.qk_rope_head_dim, c.rope_theta, c.rope_interleave, c.rope_scaling, c.round_rope_frequencies),
      c.attention_scale()};
  const kernels::Device& device = weights.device();
  if (device.ops().prepare_heads != nullptr) heads.dense = device.ops().prepare_heads(heads, device.activations());
  return std::make_shared<const kernels::MlaWeights>(std::move(heads));
}

}  // namespace

// A part of o_proj ends with a group. All columns are whole groups, so such parts of the heads add up to all of them.
Stretch MlaAttention::heads_of(const Config& c, const Weights& weights, const std::string& path,
                               const LayerShare& share) {
  const int heads = c.num_attention_heads;
  if (share.is_whole()) return {0, heads};
  const int group = weights.group_size(path + ".o_proj", c.hidden_size, heads * c.v_head_dim);
  return share.of(fmt::format("the heads of {}", path), heads, group / std::gcd(group, c.v_head_dim));
}

MlaAttention::MlaAttention(const Config& c, Weights& weights, const std::string& path, const LayerShare& share)
    : MlaAttention(c, weights, path, share, heads_of(c, weights, path, share)) {}

MlaAttention::MlaAttention(const Config& c, Weights& weights, const std::string& path, const LayerShare& share,
                           Stretch heads)
    : device_(weights.device()),
      kv_a_proj_(device_, weights.take_shared(path + ".kv_a_proj_with_mqa", c.cache_width(), c.hidden_size),
                 bias_of(c, weights, path + ".kv_a_proj_with_mqa", c.cache_width())),
      heads_(take_heads(c, weights, path, heads)),
      o_proj_(device_,
              take_shared_part(weights, path + ".o_proj", c.hidden_size, c.num_attention_heads * c.v_head_dim,
                               columns_of(heads, c.v_head_dim)),
              once(bias_of(c, weights, path + ".o_proj", c.hidden_size), share)) {
  const MatrixPart q_part = rows_of(heads, c.qk_head_dim());
  const int q_rows = c.num_attention_heads * c.qk_head_dim();
  if (!c.q_lora_rank) {
    q_proj_.emplace(device_, take_shared_part(weights, path + ".q_proj", q_rows, c.hidden_size, q_part));
    return;
  }
  q_a_proj_.emplace(device_, weights.take_shared(path + ".q_a_proj", *c.q_lora_rank, c.hidden_size),
                    bias_of(c, weights, path + ".q_a_proj", *c.q_lora_rank));
  q_a_layernorm_.emplace(device_, weights.take_vector(path + ".q_a_layernorm.weight", *c.q_lora_rank), c.rms_norm_eps);
  q_b_proj_.emplace(device_, take_shared_part(weights, path + ".q_b_proj", q_rows, *c.q_lora_rank, q_part));
}

mx::array MlaAttention::forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                                const InputObserver& see) const {
  const auto [projected, latent] = Linear::both(q_proj_ ? *q_proj_ : *q_a_proj_, kv_a_proj_, x);
  const mx::array q_in = q_proj_ ? projected : (*q_a_layernorm_)(projected);
  const mx::array q = q_proj_ ? projected : (*q_b_proj_)(q_in);
  const mx::array values = kernels::mla(device_, q, latent, heads_, rows, step);
  if (see) {
    see(q_proj_ ? "self_attn.q_proj" : "self_attn.q_a_proj", 0, x);
    see("self_attn.kv_a_proj_with_mqa", 0, x);
    if (!q_proj_) see("self_attn.q_b_proj", 0, q_in);
    kernels::evaluate({values});
    show_heads(q, mixed_latents(q, latent, rows, step), see);
    see("self_attn.o_proj", 0, values);
  }
  return o_proj_(values);
}

// What the heads' unembed_out read, [N, heads · latent]: sums of latents, weighted by attention. The same operation has
// them, with the identity in that matrix's place; it stores the same rows once more.
mx::array MlaAttention::mixed_latents(const mx::array& q, const mx::array& kv, kernels::PagedRows& rows,
                                      const kernels::StepPtr& step) const {
  const kernels::MlaSizes n(*heads_);
  auto heads = std::make_shared<kernels::MlaWeights>(*heads_);
  heads->dense.reset();
  heads->unembed_out = derived(mx::broadcast_to(mx::eye(n.latent), {n.heads, n.latent, n.latent}), std::nullopt);
  const mx::array mixed = kernels::mla(device_, q, kv, heads, rows, step);
  kernels::evaluate({mixed});
  return mixed;
}

void MlaAttention::show_heads(const mx::array& q, const mx::array& mixed, const InputObserver& see) const {
  const kernels::MlaSizes sizes(*heads_);
  const int n = q.shape(0), width = sizes.nope + sizes.rope;
  for (int head = 0; head < sizes.heads; ++head) {
    const int begin = head * sizes.latent;
    see("self_attn.embed_q", head, mx::slice(q, {0, head * width}, {n, head * width + sizes.nope}));
    see("self_attn.unembed_out", head, mx::slice(mixed, {0, begin}, {n, begin + sizes.latent}));
  }
}

}  // namespace glimt
