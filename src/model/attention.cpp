#include "model/attention.h"

#include "kernels/ops.h"
#include "model/rope.h"

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

struct KvB {
  Weight embed_q, unembed_out;
};

// mlx-lm stores the two halves of kv_b_proj apart, ready for the absorbed form. The released checkpoint and Ollama have
// one matrix whose rows are, for each head, qk_nope_head_dim of keys and v_head_dim of values.
KvB take_kv_b(const Config& c, Weights& weights, const std::string& path) {
  const int heads = c.num_attention_heads, nope = c.qk_nope_head_dim, v = c.v_head_dim, kv_lora = c.kv_lora_rank;
  if (!weights.has(path + ".kv_b_proj.weight")) {
    Weight embed_q = weights.take_matrix(path + ".embed_q", kv_lora, nope, heads);
    return {std::move(embed_q), weights.take_matrix(path + ".unembed_out", v, kv_lora, heads)};
  }
  const Weight joined = aligned(weights.take_matrix(path + ".kv_b_proj", heads * (nope + v), kv_lora));
  const mx::Dtype dtype = joined.quantization ? mx::float32 : joined.values.dtype();
  const mx::array by_head = mx::reshape(dequantize(joined, dtype), {heads, nope + v, kv_lora});
  const mx::array keys = mx::slice(by_head, {0, 0, 0}, {heads, nope, kv_lora});
  const mx::array values = mx::slice(by_head, {0, nope, 0}, {heads, nope + v, kv_lora});
  return {derived(mx::swapaxes(keys, 1, 2), joined.quantization), derived(values, joined.quantization)};
}

kernels::MlaPtr take_heads(const Config& c, Weights& weights, const std::string& path) {
  const RmsNorm norm(weights.device(), weights.take_vector(path + ".kv_a_layernorm.weight", c.kv_lora_rank),
                     c.rms_norm_eps);
  KvB kv_b = take_kv_b(c, weights, path);
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

MlaAttention::MlaAttention(const Config& c, Weights& weights, const std::string& path)
    : device_(weights.device()),
      kv_a_proj_(device_, weights.take_shared(path + ".kv_a_proj_with_mqa", c.cache_width(), c.hidden_size),
                 bias_of(c, weights, path + ".kv_a_proj_with_mqa", c.cache_width())),
      heads_(take_heads(c, weights, path)),
      o_proj_(device_, weights.take_shared(path + ".o_proj", c.hidden_size, c.num_attention_heads * c.v_head_dim),
              bias_of(c, weights, path + ".o_proj", c.hidden_size)) {
  const int q_rows = c.num_attention_heads * c.qk_head_dim();
  if (!c.q_lora_rank) {
    q_proj_.emplace(device_, weights.take_shared(path + ".q_proj", q_rows, c.hidden_size));
    return;
  }
  q_a_proj_.emplace(device_, weights.take_shared(path + ".q_a_proj", *c.q_lora_rank, c.hidden_size),
                    bias_of(c, weights, path + ".q_a_proj", *c.q_lora_rank));
  q_a_layernorm_.emplace(device_, weights.take_vector(path + ".q_a_layernorm.weight", *c.q_lora_rank), c.rms_norm_eps);
  q_b_proj_.emplace(device_, weights.take_shared(path + ".q_b_proj", q_rows, *c.q_lora_rank));
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
    show_heads(q, latent, see);
    see("self_attn.o_proj", 0, values);
  }
  return o_proj_(values);
}

// A head's unembed_out reads sums of latents, weighted by attention. Which of their channels are large is seen from the
// latents themselves.
void MlaAttention::show_heads(const mx::array& q, const mx::array& kv, const InputObserver& see) const {
  const kernels::MlaSizes sizes(*heads_);
  const int n = q.shape(0), width = sizes.nope + sizes.rope;
  const mx::array latent = kernels::rms_norm(device_, mx::contiguous(mx::slice(kv, {0, 0}, {n, sizes.latent})),
                                             heads_->norm, heads_->norm_eps);
  for (int head = 0; head < sizes.heads; ++head) {
    see("self_attn.embed_q", head, mx::slice(q, {0, head * width}, {n, head * width + sizes.nope}));
    see("self_attn.unembed_out", head, latent);
  }
}

}  // namespace glimt
