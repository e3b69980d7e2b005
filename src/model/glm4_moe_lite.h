// GLM4-MoE-Lite, whole on one machine. SpreadLm adds what other machines compute to both ends of it and its part of the layers.
#pragma once

#include "model/causal_lm.h"
#include "model/layer_stack.h"
#include "model/mtp.h"

#include <memory>
#include <optional>

namespace glimt {

class Glm4MoeLite : public CausalLm {
 public:
  // Takes every tensor of `weights`; the caller calls weights.finish().
  Glm4MoeLite(Config config, Weights& weights);

  const Config& config() const override { return config_; }
  const kernels::Device& device() const override { return device_; }
  int max_context_length() const override { return config_.max_position_embeddings; }
  PoolShape cache_shape() const override;
  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe = {}) const override;
  mx::array unembed(const mx::array& hidden) const override;

  bool has_mtp() const override { return mtp_.has_value(); }
  mx::array mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                        const kernels::StepPtr& step) const override;
  mx::array mtp_unembed(const mx::array& hidden) const override;

 protected:
  // Of the trunk the first layers alone, or a share of each. The MTP layer is whole.
  Glm4MoeLite(Config config, Weights& weights, int layers, const LayerShare& share = {});

  Residual embedded(const mx::array& ids) const { return {embed_tokens_(ids, device_.activations()), std::nullopt}; }
  const LayerStack& layers() const { return layers_; }
  const RmsNorm& norm() const { return norm_; }

 private:
  Config config_;
  kernels::Device device_;
  Embedding embed_tokens_;
  RmsNorm norm_;
  Linear lm_head_;
  LayerStack layers_;
  std::optional<MtpLayer> mtp_;
};

// The MTP layer, if the checkpoint has one.
std::optional<MtpLayer> take_mtp(const Config& config, Weights& weights, const Embedding& embedding,
                                 const Linear& head);

// lm_head, or the embedding's table where the two are tied.
Linear take_head(const Config& config, Weights& weights, const Embedding& embedding);

}  // namespace glimt
