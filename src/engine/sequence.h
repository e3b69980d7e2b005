// One request while the engine works on it: its tokens, how far its rows are computed, and how an answer grows.
#pragma once

#include "engine/cache_space.h"
#include "engine/constraint.h"
#include "engine/drafting.h"
#include "engine/repetition_guard.h"
#include "engine/scheduler.h"
#include "engine/stream.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

// Made by the thread that submits the request, then used by the engine's; masks are computed on another one while that
// waits for the model.
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

  // Tokens before the first one that may be sampled next; 0: it decodes, the last token alone is not computed.
  int prompt_left() const;

  // The drafts that are still possible: cut where the grammar or the limits say no, or where the grammar breaks.
  std::span<const TokenId> drafts() const { return drafts_; }
  void set_drafts(std::vector<TokenId> drafts);
  void clear_drafts() { drafts_.clear(); }
  void limit_drafts(int count) {
    drafts_.resize(std::min(drafts_.size(), static_cast<std::size_t>(std::max(0, count))));
  }
  Drafting& drafting() { return drafting_; }

  // What this sequence would choose behind its tokens and `before` if these were the model's logits; nothing if they are
  // broken.
  std::optional<TokenId> guess(std::span<const float> logits, std::span<const TokenId> before);

  // The masks of the grammar for the next position and behind each draft; drafts over which the grammar breaks are
  // dropped. On any thread, alone. Throws invalid_request if it breaks at the next position.
  void compute_masks();
  bool has_grammar() const { return constraint_.has_value(); }

  // Chooses the next token from its logits [vocab_size] (which it may change): the i-th of this step. Publishes it.
  // Returns whether the answer goes on. Throws what the
  // sampler and the grammar throw.
  bool take_token(std::span<float> logits, std::size_t i);

  TokenId last_chosen() const { return last_chosen_; }  // also an end token, which is not among tokens()
  FinishReason reason() const { return reason_; }

  void started();  // its first turn begins
  void finish(FinishReason reason) noexcept;
  void fail(std::exception_ptr error) noexcept;

  SequenceRows rows;  // kept by CacheSpace

 private:
  Sampled choose(std::span<float> logits, std::size_t i);
  bool budget_is_spent(std::size_t i) const;
  void follow_thinking(TokenId token);

  SequenceId id_;
  GenerationRequest request_;
  std::shared_ptr<EventQueue> events_;
  std::size_t limit_;  // of generated tokens
  std::vector<TokenId> tokens_;
  std::vector<TokenId> drafts_;
  Sampler sampler_;
  SamplerScratch scratch_;
  Drafting drafting_;
  RepetitionGuard repetition_;
  std::optional<AnswerConstraint> constraint_;
  bool thinking_;  // the thinking budget counts
  TokenId last_chosen_ = -1;
  FinishReason reason_ = FinishReason::stop;
  GenerationStats stats_;
  EventQueue::Clock::time_point submitted_ = EventQueue::Clock::now(), started_{}, first_token_{};
};

}  // namespace glimt
