#include "model/decoder_layer.h"

namespace glimt {
namespace {

std::variant<SwiGluMlp, MoeBlock> take_feed_forward(const Config& c, Weights& weights, const std::string& path,
                                                    bool is_moe) {
  if (is_moe) return MoeBlock(c, weights, path);
  return SwiGluMlp(
      std::make_shared<const kernels::SwiGluWeights>(take_swiglu(weights, path, c.hidden_size, c.intermediate_size)));
}

}  // namespace

DecoderLayer::DecoderLayer(const Config& c, Weights& weights, const std::string& path, bool is_moe)
    : input_layernorm_(weights.take_vector(path + ".input_layernorm.weight", c.hidden_size), c.rms_norm_eps),
      self_attn_(c, weights, path + ".self_attn"),
      post_attention_layernorm_(weights.take_vector(path + ".post_attention_layernorm.weight", c.hidden_size),
                                c.rms_norm_eps),
      mlp_(take_feed_forward(c, weights, path + ".mlp", is_moe)) {}

mx::array DecoderLayer::forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                                const Observer& observe) const {
  const mx::array attention = self_attn_.forward(input_layernorm_(x), rows, step);
  const mx::array h = mx::add(x, attention);
  const mx::array normed = post_attention_layernorm_(h);
  const MoeBlock* moe = std::get_if<MoeBlock>(&mlp_);
  const mx::array y = mx::add(h, moe != nullptr ? moe->forward(normed, observe) : std::get<SwiGluMlp>(mlp_)(normed));
  if (observe) {
    observe("self_attn", attention);
    observe("output", y);
  }
  return y;
}

}  // namespace glimt
