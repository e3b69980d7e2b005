// One request while the engine works on it: its tokens, how far its rows are computed, and how an answer grows.
#pragma once

#include "engine/cache_space.h"
#include "engine/constraint.h"
#include "engine/drafting.h"
#include "engine/mask_worker.h"
#include "engine/mean_pool.h"
#include "engine/repetition_guard.h"
#include "engine/scheduler.h"
#include "engine/stream.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

// Made by the thread that submits the request, then used by the engine's. Its masks are computed on another one, which
// shares the constraint: between start_masks() and take_masks() nothing else here touches that.
class Sequence {
 public:
  // Throws what Sampler throws. `context`: most tokens of prompt and answer.
  Sequence(SequenceId id, GenerationRequest request, std::shared_ptr<EventQueue> events, std::size_t vocab_size,
           std::size_t context);

  SequenceId id() const { return id_; }
  const GenerationRequest& request() const { return request_; }
  EventQueue& events() const { return *events_; }
  const std::vector<TokenId>& tokens() const { return tokens_; }  // prompt and answer
  GenerationStats& stats() { return stats_; }

  // Tokens before the first one that may be sampled next; 0: it decodes, the last token alone is not computed. Of one
  // that embeds its prompt: all that are not computed.
  int prompt_left() const;

  bool embeds() const { return request_.embed; }
  MeanPool& pool() { return pool_; }
  void take_embedding();  // all is computed: what finish() gives. Throws what MeanPool::normalized throws

  // The drafts that are still possible: cut where the grammar or the limits say no, or where the grammar breaks.
  std::span<const TokenId> drafts() const { return drafts_; }
  void set_drafts(std::vector<TokenId> drafts);
  void clear_drafts() { drafts_.clear(); }
  void limit_drafts(int count) {
    drafts_.resize(std::min(drafts_.size(), static_cast<std::size_t>(std::max(0, count))));
  }
  Drafting& drafting() { return drafting_; }

  // What this sequence would choose behind its tokens and `before` if these were the model's logits; nothing if they
  // are broken.
  std::optional<TokenId> guess(std::span<const float> logits, std::span<const TokenId> before, SamplerScratch& scratch);

  // Has the masks of the grammar computed, for the next position and behind each draft, unless they are there or on
  // their way. Nothing without a grammar.
  void start_masks(MaskWorker& worker);
  bool waits_for_masks(MaskWorker& worker) const { return masks_ && !worker.is_done(masks_); }

  // Waits for them until `deadline`. False: they are not there, and no token can be chosen in this step. Drops the
  // drafts over which the grammar breaks. Throws invalid_request if it breaks at the next position, or if all masks
  // together have taken more than `budget` of processor time.
  bool take_masks(MaskWorker& worker, MaskWorker::Clock::time_point deadline, std::chrono::duration<double> budget);

  // What may come i drafts behind tokens(), drawn from the logits [vocab_size] there, which it may change. `text`:
  // tokens() and the drafts before. Any threads, at once, each with its scratch. Throws what the sampler throws.
  Sampled choose(std::span<float> logits, std::size_t i, std::span<const TokenId> text, SamplerScratch& scratch) const;

  // The answer goes on with what was chosen i drafts behind the tokens that it had when the step began, or with what
  // the thinking budget wants. Publishes it. `draft`: what was guessed there. Returns whether the answer goes on. Throws
  // what the grammar throws.
  bool take_token(Sampled sampled, std::size_t i, std::optional<TokenId> draft);

  TokenId last_chosen() const { return last_chosen_; }  // also an end token, which is not among tokens()
  FinishReason reason() const { return reason_; }

  void started();                            // its first turn begins
  void tell_progress(std::size_t computed);  // tokens of the prompt; may throw bad_alloc
  void finish(FinishReason reason) noexcept;
  void fail(std::exception_ptr error) noexcept;

  SequenceRows rows;  // kept by CacheSpace

 private:
  bool budget_is_spent(std::size_t i) const;
  void follow_thinking(TokenId token);

  SequenceId id_;
  GenerationRequest request_;
  std::shared_ptr<EventQueue> events_;
  std::size_t limit_;  // of generated tokens
  std::vector<TokenId> tokens_;
  std::vector<TokenId> drafts_;
  Sampler sampler_;
  Drafting drafting_;
  RepetitionGuard repetition_;
  MeanPool pool_;
  std::vector<float> embedding_;
  std::shared_ptr<AnswerConstraint> constraint_;
  std::shared_ptr<MaskJob> masks_;  // on their way
  bool has_masks_ = false;          // of the position at hand
  int mask_jobs_ = 0;               // that are done, and the time that they took
  double mask_seconds_ = 0;
  bool thinking_;  // the thinking budget counts
  TokenId last_chosen_ = -1;
  FinishReason reason_ = FinishReason::stop;
  GenerationStats stats_;
  EventQueue::Clock::time_point submitted_ = EventQueue::Clock::now(), started_{}, first_token_{};
};

}  // namespace glimt
