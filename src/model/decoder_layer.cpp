#include "model/decoder_layer.h"

namespace glimt {
namespace {

std::variant<SwiGluMlp, MoeBlock> take_feed_forward(const Config& c, Weights& weights, const std::string& path,
                                                    bool is_moe, const LayerShare& share) {
  if (is_moe) return MoeBlock(c, weights, path, share);
  return SwiGluMlp(weights.device(), std::make_shared<const kernels::SwiGluWeights>(
                                         take_swiglu(weights, path, c.hidden_size, c.intermediate_size, share)));
}

}  // namespace

DecoderLayer::DecoderLayer(const Config& c, Weights& weights, const std::string& path, bool is_moe,
                           const LayerShare& share)
    : share_(share),
      input_layernorm_(weights.device(), weights.take_vector(path + ".input_layernorm.weight", c.hidden_size),
                       c.rms_norm_eps),
      self_attn_(c, weights, path + ".self_attn", share),
      post_attention_layernorm_(weights.device(),
                                weights.take_vector(path + ".post_attention_layernorm.weight", c.hidden_size),
                                c.rms_norm_eps),
      mlp_(take_feed_forward(c, weights, path + ".mlp", is_moe, share)) {}

Residual DecoderLayer::forward(const Residual& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                               const Observer& observe) const {
  const kernels::SumAndNorm in = x.normed(input_layernorm_);
  const mx::array attention = share_.sum(self_attn_.forward(in.norm, rows, step));
  const kernels::SumAndNorm mid = post_attention_layernorm_.of_sum(in.sum, attention);
  const MoeBlock* moe = std::get_if<MoeBlock>(&mlp_);
  const mx::array part = moe != nullptr ? moe->forward(mid.norm, observe) : std::get<SwiGluMlp>(mlp_)(mid.norm);
  const Residual y{mid.sum, share_.sum(part)};
  if (observe) {
    observe("self_attn", attention);
    observe("output", y.sum());
  }
  return y;
}

}  // namespace glimt
