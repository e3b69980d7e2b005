// Speculative decoding: what is guessed behind a step, so that the next one verifies it. The MTP layer's rows follow
// the trunk's here; n-gram guesses and the choice between both are Drafting's.
#pragma once

#include "engine/cache_space.h"
#include "engine/engine_options.h"
#include "engine/sequence.h"
#include "engine/step_batch.h"
#include "engine/step_costs.h"
#include "model/causal_lm.h"

#include <map>
#include <vector>

namespace glimt {

// Used by the thread that owns the model. Model and cache must outlive it.
class SpeculativeDecoding {
 public:
  SpeculativeDecoding(const CausalLm& model, CacheSpace& cache, Speculation mode)
      : model_(model), cache_(cache), mode_(mode) {}

  // Decides for every sequence that goes on where its next guesses come from: from its own text at once, or from the
  // MTP layer in draft(), with mtp_depth of them.
  void plan(std::vector<SequenceStep>& steps, const StepCosts& costs) const;

  // Computes the MTP layer's rows behind everything that was computed (hidden [rows of the step, hidden]), and its
  // guesses. May throw what the model throws: guesses and MTP rows of these sequences end then, their answers go on.
  void draft(const std::vector<SequenceStep>& steps, const mx::array& hidden);

  // Forgets what it keeps for a sequence that ends or is set back.
  void forget(SequenceId id) { waiting_.erase(id); }

 private:
  // A sequence for which the MTP layer guesses `depth` tokens.
  struct Drafter {
    Sequence* sequence;
    int depth;
    std::vector<TokenId> guesses = {};
  };
  // The rows of one step that the MTP layer is to compute.
  struct MtpBatch {
    StepBatch batch;
    std::vector<int> hidden;      // for each, the row of the step's hidden states that it reads, or, from the step's
    std::vector<mx::array> held;  // number of rows on, one of these: [1, hidden] each
    std::vector<int> last;        // of each drafter, its row in the batch
    std::vector<Drafter> drafters;
    std::vector<std::pair<Sequence*, int>> reached;  // mtp_rows once the rows are there
  };

  bool drafts_with_mtp() const { return mode_ != Speculation::off && model_.has_mtp(); }
  void add_rows(const SequenceStep& step, const mx::array& hidden, MtpBatch& rows);
  void guess(std::vector<Drafter> drafters, mx::array states);

  const CausalLm& model_;
  CacheSpace& cache_;
  Speculation mode_;
  SamplerScratch scratch_;
  // The trunk's hidden state [1, hidden] at a sequence's last computed position where the MTP layer's row behind it had
  // no block yet. The next step of the sequence brings one.
  std::map<SequenceId, mx::array> waiting_;
};

}  // namespace glimt
