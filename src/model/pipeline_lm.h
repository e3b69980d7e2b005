// A model whose layers lie on several machines, one stage a rank, as rank 0 has it. The text is that of one machine, bit
// for bit: the same layers in the same order over the same numbers.
//
// Rank 0 has both ends of the model besides its layers: the embedding, the last norm, the head, and the MTP layer. What
// it samples from and what it guesses with is there without a message, a tied embedding is there once, and hidden states
// (8 KB a row) cross the network instead of logits (600 KB).
#pragma once

#include "model/layer_stack.h"
#include "model/mtp.h"
#include "model/remote_stages.h"

#include <memory>
#include <optional>
#include <vector>

namespace glimt {

class PipelineLm : public CausalLm {
 public:
  // Takes the tensors of rank 0; the caller has set those of the others aside.
  PipelineLm(Config config, Weights& weights, const StagePlan& plan);

  // Waits for the others. Before everything else.
  void join(std::shared_ptr<RemoteStages> stages);

  const Config& config() const override { return config_; }
  const kernels::Device& device() const override { return device_; }
  int max_context_length() const override { return config_.max_position_embeddings; }
  int prefill_rows() const override;
  ModelSigns signs() const override;
  PoolShape cache_shape() const override;
  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe = {}) const override;
  mx::array unembed(const mx::array& hidden) const override;
  std::optional<StageTimes> stage_times() const override;

  bool has_mtp() const override { return mtp_.has_value(); }
  mx::array mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                        const kernels::StepPtr& step) const override;
  mx::array mtp_unembed(const mx::array& hidden) const override;

 private:
  mx::array through_stages(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                           const Observer& observe) const;

  Config config_;
  kernels::Device device_;
  Embedding embed_tokens_;
  RmsNorm norm_;
  Linear lm_head_;
  LayerStack layers_;
  std::optional<MtpLayer> mtp_;
  std::shared_ptr<RemoteStages> stages_;
  mutable StageTimes times_;
};

}  // namespace glimt
