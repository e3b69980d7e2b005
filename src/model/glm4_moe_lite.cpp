#include "model/glm4_moe_lite.h"

#include "base/error.h"

namespace glimt {

Linear take_head(const Config& c, Weights& weights, const Embedding& embedding) {
  if (c.tie_word_embeddings) return {weights.device(), embedding.table()};
  return {weights.device(), weights.take_shared("lm_head", c.vocab_size, c.hidden_size)};
}

std::optional<MtpLayer> take_mtp(const Config& c, Weights& weights, const Embedding& embedding, const Linear& head) {
  const std::string path = layer_path(c.num_hidden_layers);
  if (!weights.has_prefix(path + ".")) return std::nullopt;
  return std::optional<MtpLayer>(std::in_place, c, weights, path, embedding, head);
}

Glm4MoeLite::Glm4MoeLite(Config config, Weights& weights) : Glm4MoeLite(config, weights, config.num_hidden_layers) {}

Glm4MoeLite::Glm4MoeLite(Config config, Weights& weights, int layers, const LayerShare& share)
    : config_(std::move(config)),
      device_(weights.device()),
      embed_tokens_(device_, weights.take_shared("model.embed_tokens", config_.vocab_size, config_.hidden_size)),
      norm_(device_, weights.take_vector("model.norm.weight", config_.hidden_size), config_.rms_norm_eps),
      lm_head_(take_head(config_, weights, embed_tokens_)),
      layers_(config_, weights, 0, layers, share),
      mtp_(take_mtp(config_, weights, embed_tokens_, lm_head_)) {}

PoolShape Glm4MoeLite::cache_shape() const {
  return {layers_.count() + (has_mtp() ? 1 : 0), config_.cache_width(), device_.rows(), &device_.ops()};
}

mx::array Glm4MoeLite::forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                               const Observer& observe) const {
  return layers_.forward(embedded(ids), pool, step, observe).normed(norm_).norm;
}

mx::array Glm4MoeLite::unembed(const mx::array& hidden) const { return mx::astype(lm_head_(hidden), mx::float32); }

mx::array Glm4MoeLite::mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                                   const kernels::StepPtr& step) const {
  if (!mtp_) fail(ErrorKind::unsupported, "mtp_forward", "this checkpoint has no MTP layer");
  return mtp_->forward(hidden, ids, pool.layer(layers_.count()), step);
}

mx::array Glm4MoeLite::mtp_unembed(const mx::array& hidden) const {
  if (!mtp_) fail(ErrorKind::unsupported, "mtp_unembed", "this checkpoint has no MTP layer");
  return mx::astype(mtp_->unembed(hidden), mx::float32);
}

}  // namespace glimt
