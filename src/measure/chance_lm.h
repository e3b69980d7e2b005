// A model whose tokens are drawn by chance, with the work of a real one: what drafting costs and gains on the shapes of
// a checkpoint whose MTP layer was never trained, or guesses as it likes.
#pragma once

#include "base/token.h"
#include "model/causal_lm.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

namespace glimt {

// Computes all that `model` computes; then, in each row of logits, a token chosen here becomes by far the likeliest.
// The MTP layer guesses any token, and the trunk takes a guess as right with probability `acceptance`. The tokens are so
// many that no text repeats itself, and n-grams find nothing to copy. Takes a step in which some sequence does not
// decode for one without guesses.
class ChanceLm : public CausalLm {
 public:
  // What may be changed while an engine owns the model.
  struct Control {
    std::atomic<bool> drafts{true};  // false: it has no MTP layer for now
  };

  ChanceLm(std::unique_ptr<CausalLm> model, double acceptance, std::shared_ptr<Control> control);

  const Config& config() const override { return model_->config(); }
  const kernels::Device& device() const override { return model_->device(); }
  int max_context_length() const override { return model_->max_context_length(); }
  int prefill_rows() const override { return model_->prefill_rows(); }
  ModelSigns signs() const override { return model_->signs(); }
  std::optional<StageTimes> stage_times() const override { return model_->stage_times(); }
  PoolShape cache_shape() const override { return model_->cache_shape(); }
  bool has_mtp() const override { return model_->has_mtp() && control_->drafts; }

  mx::array forward(const mx::array& ids, LatentPool& pool, const kernels::StepPtr& step,
                    const Observer& observe) const override;
  mx::array unembed(const mx::array& hidden) const override;
  mx::array mtp_forward(const mx::array& hidden, const mx::array& ids, LatentPool& pool,
                        const kernels::StepPtr& step) const override {
    return model_->mtp_forward(hidden, ids, pool, step);
  }
  mx::array mtp_unembed(const mx::array& hidden) const override;

 private:
  TokenId any_token() const;
  TokenId any_token_but(TokenId token) const;

  std::unique_ptr<CausalLm> model_;
  double acceptance_;
  std::shared_ptr<Control> control_;
  mutable std::mt19937_64 random_{1};
  // Of the last forward pass: what follows each of its rows in the step, a guess, or -1 behind a sequence's last one.
  mutable std::vector<TokenId> guesses_;
};

}  // namespace glimt
