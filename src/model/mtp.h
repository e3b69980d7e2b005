// The multi-token-prediction layer: one more decoder layer that reads the trunk's hidden state and the next token's
// embedding (DeepSeek-V3, https://arxiv.org/abs/2412.19437, section 2.2; vLLM's glm4_moe_lite_mtp).
#pragma once

#include "model/decoder_layer.h"

#include <optional>

namespace glimt {

class MtpLayer {
 public:
  // `path` is "model.layers.<num_hidden_layers>". Own embedding and head are optional; the trunk's serve instead.
  MtpLayer(const Config& config, Weights& weights, const std::string& path, const Embedding& embed_tokens,
           const Linear& lm_head);

  // hidden [N, hidden] at positions p - 1, tokens [N] at p -> [N, hidden] after shared_head.norm.
  mx::array forward(const mx::array& hidden, const mx::array& ids, kernels::PagedRows& rows,
                    const kernels::StepPtr& step) const;
  mx::array unembed(const mx::array& hidden) const { return head_(hidden); }

 private:
  Embedding embed_tokens_;
  RmsNorm enorm_, hnorm_;
  Linear eh_proj_;
  DecoderLayer layer_;
  RmsNorm norm_;
  Linear head_;
};

}  // namespace glimt
