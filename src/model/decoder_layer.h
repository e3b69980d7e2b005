#pragma once

#include "model/attention.h"
#include "model/causal_lm.h"
#include "model/moe.h"

#include <variant>

namespace glimt {

// h = x + attention(norm(x)); h + mlp(norm(h)), with a dense or a mixture-of-experts mlp.
class DecoderLayer {
 public:
  DecoderLayer(const Config& config, Weights& weights, const std::string& path, bool is_moe);

  // x [N, hidden], the rows of the step's sequences -> the same shape; stores N rows in the layer's cache. `observe` gets
  // "self_attn", "output" and the gate's names.
  mx::array forward(const mx::array& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                    const Observer& observe) const;

 private:
  RmsNorm input_layernorm_;
  MlaAttention self_attn_;
  RmsNorm post_attention_layernorm_;
  std::variant<SwiGluMlp, MoeBlock> mlp_;
};

}  // namespace glimt
