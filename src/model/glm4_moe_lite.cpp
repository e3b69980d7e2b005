#include "model/glm4_moe_lite.h"

#include "base/error.h"

namespace glimt {

Linear take_head(const Config& c, Weights& weights, const Embedding& embedding) {
  if (c.tie_word_embeddings) return {weights.device(), embedding.table()};
  return {weights.device(), weights.take_shared("lm_head", c.vocab_size, c.hidden_size)};
}

std::string layer_path(int index) { return "model.layers." + std::to_string(index); }

Glm4MoeLite::Glm4MoeLite(Config config, Weights& weights)
    : config_(std::move(config)),
      device_(weights.device()),
      embed_tokens_(device_, weights.take_shared("model.embed_tokens", config_.vocab_size, config_.hidden_size)),
      norm_(device_, weights.take_vector("model.norm.weight", config_.hidden_size), config_.rms_norm_eps),
      lm_head_(take_head(config_, weights, embed_tokens_)) {
  for (int i = 0; i < config_.num_hidden_layers; ++i) {
    layers_.emplace_back(config_, weights, layer_path(i), config_.is_moe_layer[static_cast<std::size_t>(i)]);
  }
  const std::string mtp = layer_path(config_.num_hidden_layers);
  if (weights.has_prefix(mtp + ".")) mtp_.emplace(config_, weights, mtp, embed_tokens_, lm_head_);
}

PoolShape Glm4MoeLite::cache_shape() const {
  return {config_.num_hidden_layers + (has_mtp() ? 1 : 0), config_.cache_width(), device_.rows(), &device_.ops()};
}

mx::array Glm4MoeLite::forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                               const Observer& observe) const {
  Residual h{embed_tokens_(ids, device_.activations()), std::nullopt};
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Observer observe_layer;
    if (observe) {
      observe_layer = [&](const std::string& name, const mx::array& value) {
        observe("layers." + std::to_string(i) + "." + name, value);
      };
    }
    h = layers_[i].forward(h, pool.layer(static_cast<int>(i)), step, observe_layer);
  }
  return h.normed(norm_).norm;
}

mx::array Glm4MoeLite::unembed(const mx::array& hidden) const { return mx::astype(lm_head_(hidden), mx::float32); }

mx::array Glm4MoeLite::mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                                   const kernels::StepPtr& step) const {
  if (!mtp_) fail(ErrorKind::unsupported, "mtp_forward", "this checkpoint has no MTP layer");
  return mtp_->forward(hidden, ids, pool.layer(config_.num_hidden_layers), step);
}

mx::array Glm4MoeLite::mtp_unembed(const mx::array& hidden) const {
  if (!mtp_) fail(ErrorKind::unsupported, "mtp_unembed", "this checkpoint has no MTP layer");
  return mx::astype(mtp_->unembed(hidden), mx::float32);
}

}  // namespace glimt
