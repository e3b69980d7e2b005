#include "model/attention.h"

#include "base/error.h"

namespace glimt {
namespace {

AttentionForm g_form = AttentionForm::automatic;

std::optional<mx::array> bias_of(const Config& config, Weights& weights, const std::string& path, int size) {
  if (!config.attention_bias) return std::nullopt;
  return weights.take_vector(path + ".bias", size);
}

// A new matrix stack made at load, quantized like the tensor it came from where the columns allow it.
WeightPtr derived(const mx::array& values, const std::optional<Quantization>& like) {
  if (like && values.shape(-1) % like->group_size == 0) return std::make_shared<const Weight>(quantize(values, *like));
  const mx::array stored = mx::contiguous(values);
  mx::eval(stored);
  return std::make_shared<const Weight>(Weight{values.shape(0), values.shape(1), values.shape(2), stored, std::nullopt,
                                               std::nullopt, std::nullopt, std::nullopt});
}

// mlx-lm stores the two halves of kv_b_proj apart, ready for the absorbed form. The released checkpoint and Ollama have
// one matrix whose rows are, for each head, qk_nope_head_dim of keys and v_head_dim of values.
std::pair<MultiLinear, MultiLinear> take_kv_b(const Config& c, Weights& weights, const std::string& path) {
  const int heads = c.num_attention_heads, nope = c.qk_nope_head_dim, v = c.v_head_dim, kv_lora = c.kv_lora_rank;
  if (!weights.has(path + ".kv_b_proj.weight")) {
    WeightPtr embed_q = weights.take_shared(path + ".embed_q", kv_lora, nope, heads);
    return {MultiLinear(std::move(embed_q)),
            MultiLinear(weights.take_shared(path + ".unembed_out", v, kv_lora, heads))};
  }
  const Weight joined = weights.take_matrix(path + ".kv_b_proj", heads * (nope + v), kv_lora);
  const mx::Dtype dtype = joined.quantization ? mx::float32 : joined.values.dtype();
  const mx::array by_head = mx::reshape(dequantize(joined, dtype), {heads, nope + v, kv_lora});
  const mx::array keys = mx::slice(by_head, {0, 0, 0}, {heads, nope, kv_lora});
  const mx::array values = mx::slice(by_head, {0, nope, 0}, {heads, nope + v, kv_lora});
  return {MultiLinear(derived(mx::swapaxes(keys, 1, 2), joined.quantization)),
          MultiLinear(derived(values, joined.quantization))};
}

}  // namespace

void MlaAttention::set_form(AttentionForm form) { g_form = form; }

MlaAttention::MlaAttention(const Config& c, Weights& weights, const std::string& path)
    : heads_(c.num_attention_heads),
      nope_(c.qk_nope_head_dim),
      rope_dim_(c.qk_rope_head_dim),
      v_(c.v_head_dim),
      kv_lora_(c.kv_lora_rank),
      scale_(c.attention_scale()),
      rope_(c.qk_rope_head_dim, c.rope_theta, c.rope_interleave, c.rope_scaling, c.round_rope_frequencies),
      kv_a_proj_(weights.take_shared(path + ".kv_a_proj_with_mqa", c.cache_width(), c.hidden_size),
                 bias_of(c, weights, path + ".kv_a_proj_with_mqa", c.cache_width())),
      kv_a_layernorm_(weights.take_vector(path + ".kv_a_layernorm.weight", c.kv_lora_rank), c.rms_norm_eps),
      kv_b_(take_kv_b(c, weights, path)),
      o_proj_(weights.take_shared(path + ".o_proj", c.hidden_size, heads_ * v_),
              bias_of(c, weights, path + ".o_proj", c.hidden_size)) {
  const int q_rows = heads_ * c.qk_head_dim();
  if (!c.q_lora_rank) {
    q_proj_.emplace(weights.take_shared(path + ".q_proj", q_rows, c.hidden_size));
    return;
  }
  q_a_proj_.emplace(weights.take_shared(path + ".q_a_proj", *c.q_lora_rank, c.hidden_size),
                    bias_of(c, weights, path + ".q_a_proj", *c.q_lora_rank));
  q_a_layernorm_.emplace(weights.take_vector(path + ".q_a_layernorm.weight", *c.q_lora_rank), c.rms_norm_eps);
  q_b_proj_.emplace(weights.take_shared(path + ".q_b_proj", q_rows, *c.q_lora_rank));
}

mx::array MlaAttention::forward(const mx::array& x, LatentCache& cache) const {
  const int batch = x.shape(0), length = x.shape(1), offset = cache.length();
  const Queries q = queries(x, offset);
  const mx::array rows = cache.append(latent_rows(x, offset));  // [B, T, kv_lora + rope]
  const mx::array heads = expand_pays(length, rows.shape(1)) ? expanded(q, rows) : absorbed(q, rows);
  return o_proj_(mx::reshape(mx::swapaxes(heads, 1, 2), {batch, length, heads_ * v_}));
}

MlaAttention::Queries MlaAttention::queries(const mx::array& x, int offset) const {
  const int batch = x.shape(0), length = x.shape(1);
  const mx::array flat = q_proj_ ? (*q_proj_)(x) : (*q_b_proj_)((*q_a_layernorm_)((*q_a_proj_)(x)));
  const mx::array q = mx::swapaxes(mx::reshape(flat, {batch, length, heads_, nope_ + rope_dim_}), 1, 2);
  const std::vector<mx::array> parts = mx::split(q, mx::Shape{nope_}, -1);
  return {parts[0], rope_(parts[1], offset)};
}

mx::array MlaAttention::latent_rows(const mx::array& x, int offset) const {
  const std::vector<mx::array> parts = mx::split(kv_a_proj_(x), mx::Shape{kv_lora_}, -1);
  const mx::array k_pe = rope_(mx::expand_dims(parts[1], 1), offset);  // one head [B, 1, L, rope], shared by all
  return mx::concatenate({kv_a_layernorm_(parts[0]), mx::squeeze(k_pe, 1)}, -1);
}

// scores = (embed_q q_nope) · latent + q_pe · k_pe; output = unembed_out(softmax · latent). One key head for all query
// heads.
mx::array MlaAttention::absorbed(const Queries& q, const mx::array& rows) const {
  return kv_b_.second(kernels::mla_attention(kv_b_.first(q.nope), q.pe, rows, scale_));
}

// k_nope = embed_qᵀ latent and v = unembed_out latent for every key, then ordinary attention.
mx::array MlaAttention::expanded(const Queries& q, const mx::array& cached) const {
  const mx::array rows = mx::astype(cached, q.nope.dtype());
  const int batch = rows.shape(0), keys = rows.shape(1);
  const mx::array latents = mx::expand_dims(mx::slice(rows, {0, 0, 0}, {batch, keys, kv_lora_}), 1);
  const mx::array k_pe = mx::expand_dims(mx::slice(rows, {0, 0, kv_lora_}, {batch, keys, kv_lora_ + rope_dim_}), 1);
  const mx::array k_nope = kv_b_.first.transposed(latents);  // [B, H, T, nope]
  const mx::array shared_pe = mx::broadcast_to(k_pe, {batch, heads_, keys, rope_dim_});
  const mx::array k = mx::concatenate({k_nope, shared_pe}, -1);
  const mx::array v = kv_b_.second(mx::broadcast_to(latents, {batch, heads_, keys, kv_lora_}));
  return mx::fast::scaled_dot_product_attention(mx::concatenate({q.nope, q.pe}, -1), k, v, scale_, "causal");
}

// Multiply-adds of a head: the absorbed form costs 2 kv_lora + rope a (query, key) pair and projects every query, the
// expanded one costs nope + rope + v a pair and projects every key.
bool MlaAttention::expand_pays(int queries, int keys) const {
  if (g_form != AttentionForm::automatic) return g_form == AttentionForm::expanded;
  // On our kernels the absorbed form gives a position the same bits in every chunk; switching forms by the chunk's length
  // would let the text depend on it.
  if (kernels::backend() == kernels::Backend::cpu) return false;
  const auto pairs = static_cast<double>(queries) * keys;
  const double projection = static_cast<double>(kv_lora_) * (nope_ + v_);
  const double absorbed_macs = pairs * (2 * kv_lora_ + rope_dim_) + queries * projection;
  const double expanded_macs = pairs * (nope_ + rope_dim_ + v_) + keys * projection;
  return expanded_macs < absorbed_macs;
}

}  // namespace glimt
