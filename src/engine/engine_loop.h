// The part of the engine that owns the model: which sequences run, their blocks, and the step that advances them.
#pragma once

#include "cache/latent_pool.h"
#include "cache/prefix_cache.h"
#include "engine/engine_options.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_costs.h"
#include "model/causal_lm.h"

#include <cstddef>
#include <map>
#include <memory>
#include <vector>

namespace glimt {

// A snapshot. Counters grow from the engine's start on.
struct EngineMetrics {
  int running = 0, waiting = 0;
  std::size_t block_bytes = 0;
  int blocks = 0, free_blocks = 0, cached_blocks = 0;  // cached: in the prefix cache, perhaps in use as well
  std::uint64_t steps = 0, prompt_tokens = 0, reused_tokens = 0, generated_tokens = 0;
  std::uint64_t drafted = 0, accepted = 0, preemptions = 0, evicted_blocks = 0;
  // Of the steps in which everybody decoded: the time they took, and what their tokens would have taken without guesses, as
  // estimated from the steps that had none.
  double decode_seconds = 0, plain_decode_seconds = 0;
  std::size_t huge_page_bytes = 0;  // of the weights
  double kernel_seconds = 0;        // inside our CPU kernels, of the whole process

  // How many times as fast guessing ahead makes decoding; 1 before the first guess.
  double speculation_speedup() const {
    return drafted > 0 && decode_seconds > 0 ? plain_decode_seconds / decode_seconds : 1;
  }
};

// Used by the thread that loaded the model, and by no other.
class EngineLoop {
 public:
  // Throws invalid_request for limits that the model or the budget does not allow. REQUIRES: cache_memory is set.
  EngineLoop(std::unique_ptr<CausalLm> model, const EngineOptions& options);

  // Queues the request, or ends its stream with an error.
  void submit(SequenceId id, GenerationRequest request, const std::shared_ptr<Stream>& stream);

  // One forward pass for everyone who is in turn, or what has to come before. False when there is nothing to do.
  bool step();

  // Ends everything as cancelled.
  void cancel_all();

  bool idle() const { return sequences_.empty(); }
  EngineMetrics metrics() const;
  const CausalLm& model() const { return *model_; }
  std::size_t context() const { return context_; }

  // The longest known beginning of the tokens, in full blocks, for a file; and back. See session.h.
  struct Prefix {
    std::vector<TokenId> tokens;
    std::vector<std::vector<std::byte>> blocks;
  };
  Prefix read_prefix(std::string_view name_space, std::span<const TokenId> tokens);
  std::size_t write_prefix(std::string_view name_space, const Prefix& prefix);  // -> tokens taken
  const PoolShape& shape() const { return pool_.shape(); }

 private:
  // A sequence's part of a step: `count` tokens from position `start` on, at `first` among all rows.
  struct Work {
    Sequence* sequence;
    int count;
    int start;
    int first = 0;
    bool decodes = false;  // its prompt is computed: every row is the last token or a guess behind it
    bool samples = false;  // its last token is reached: logits for the last row, or for every row when it decodes
    bool alive = true;     // false: it failed and is gone
    bool ended = false;    // its answer is complete
    int depth = 0;         // of the MTP layer's guesses behind this step
  };

  // A sequence for which the MTP layer guesses `depth` tokens.
  struct Guesser {
    Sequence* sequence;
    int depth;
    std::vector<TokenId> guesses;
  };

  void check(const GenerationRequest& request) const;
  void drop_cancelled();
  Plan plan();
  std::vector<Work> carry_out(const Plan& plan);
  void admit(Sequence& sequence);
  std::optional<int> take_block();
  bool reserve_rows(Sequence& sequence, int rows);
  void compute(std::vector<Work>& work);
  void sample(std::vector<Work>& work, const mx::array& hidden);
  void sample_one(Work& work, std::span<float> logits);
  void plan_drafts(std::vector<Work>& work);
  void draft(const std::vector<Work>& work, const mx::array& hidden);
  void guess(std::vector<Guesser> guessers, mx::array states);
  void remember(Sequence& sequence, bool done);
  void release(Sequence& sequence);
  void finish(Sequence& sequence, FinishReason reason);
  void fail(Sequence& sequence, std::exception_ptr error);
  void forget(Sequence& sequence);
  // Whether the MTP layer's rows are kept.
  bool speculates() const { return options_.speculation != Speculation::off && model_->has_mtp(); }

  std::unique_ptr<CausalLm> model_;
  EngineOptions options_;
  std::size_t context_;
  LatentPool pool_;
  BlockPool blocks_;
  PrefixCache prefixes_;
  Scheduler scheduler_;
  std::map<SequenceId, std::unique_ptr<Sequence>> sequences_;  // waiting and running
  StepCosts costs_;
  EngineMetrics totals_;
};

}  // namespace glimt
