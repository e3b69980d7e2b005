#include "model/mtp.h"

namespace glimt {
namespace {

WeightPtr own_or(Weights& weights, const std::string& path, const Config& c, const WeightPtr& trunk) {
  return weights.has(path + ".weight") ? weights.take_shared(path, c.vocab_size, c.hidden_size) : trunk;
}

}  // namespace

MtpLayer::MtpLayer(const Config& c, Weights& weights, const std::string& path, const Embedding& embed_tokens,
                   const Linear& lm_head)
    : embed_tokens_(weights.device(), own_or(weights, path + ".embed_tokens", c, embed_tokens.table())),
      enorm_(weights.device(), weights.take_vector(path + ".enorm.weight", c.hidden_size), c.rms_norm_eps),
      hnorm_(weights.device(), weights.take_vector(path + ".hnorm.weight", c.hidden_size), c.rms_norm_eps),
      eh_proj_(weights.device(), weights.take_shared(path + ".eh_proj", c.hidden_size, 2 * c.hidden_size)),
      layer_(c, weights, path, true),
      norm_(weights.device(), weights.take_vector(path + ".shared_head.norm.weight", c.hidden_size), c.rms_norm_eps),
      head_(weights.device(), own_or(weights, path + ".shared_head.head", c, lm_head.shared_weight())) {}

mx::array MtpLayer::forward(const mx::array& hidden, const mx::array& ids, kernels::PagedRows& rows,
                            const kernels::StepPtr& step) const {
  const mx::array embedded = embed_tokens_(ids, hidden.dtype());
  const mx::array x = eh_proj_(mx::concatenate({enorm_(embedded), hnorm_(hidden)}, -1));
  return layer_.forward({x, std::nullopt}, rows, step, {}).normed(norm_).norm;
}

}  // namespace glimt
