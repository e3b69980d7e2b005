#pragma once

#include "model/attention.h"
#include "model/causal_lm.h"
#include "model/moe.h"

#include <optional>
#include <variant>

namespace glimt {

// A hidden state whose last addition is left to the norm that reads it.
struct Residual {
  mx::array h;
  std::optional<mx::array> delta;  // h + delta is the state

  mx::array sum() const { return delta ? mx::add(h, *delta) : h; }
  kernels::SumAndNorm normed(const RmsNorm& norm) const {
    return delta ? norm.of_sum(h, *delta) : kernels::SumAndNorm{h, norm(h)};
  }
};

// h = x + attention(norm(x)); h + mlp(norm(h)), with a dense or a mixture-of-experts mlp.
class DecoderLayer {
 public:
  // A share of less than the whole takes what belongs to it, and sums with the other ranks twice in each forward pass.
  DecoderLayer(const Config& config, Weights& weights, const std::string& path, bool is_moe,
               const LayerShare& share = {});

  // x [N, hidden], the rows of the step's sequences -> the same shape; stores N rows in the layer's cache. `observe`
  // gets "self_attn", "output" and the gate's names.
  Residual forward(const Residual& x, kernels::PagedRows& rows, const kernels::StepPtr& step,
                   const Observer& observe) const;

 private:
  LayerShare share_;
  RmsNorm input_layernorm_;
  MlaAttention self_attn_;
  RmsNorm post_attention_layernorm_;
  std::variant<SwiGluMlp, MoeBlock> mlp_;
};

}  // namespace glimt
