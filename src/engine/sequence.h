// One request while the engine works on it: its tokens, how far its rows are computed, and how an answer grows.
#pragma once

#include "engine/drafting.h"
#include "engine/repetition_guard.h"
#include "engine/scheduler.h"
#include "engine/stream.h"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

// Used by the engine's thread; masks are computed on another one while it waits for the model.
class Sequence {
 public:
  // Throws what Sampler throws. `context`: most tokens of prompt and answer.
  Sequence(SequenceId id, GenerationRequest request, std::shared_ptr<Stream> stream, std::size_t vocab_size,
           std::size_t context);

  SequenceId id() const { return id_; }
  const GenerationRequest& request() const { return request_; }
  Stream& stream() const { return *stream_; }
  const std::vector<TokenId>& tokens() const { return tokens_; }  // prompt and answer
  GenerationStats& stats() { return stats_; }

  // Tokens before the first one that may be sampled next; 0: it decodes, the last token alone is not computed.
  int prompt_left() const;

  // The drafts that are still possible: cut where the grammar or the limits say no.
  std::span<const TokenId> drafts() const { return drafts_; }
  void set_drafts(std::vector<TokenId> drafts);
  Drafting& drafting() { return drafting_; }

  // What this sequence would choose behind its tokens and `before` if these were the model's logits; nothing if they are
  // broken.
  std::optional<TokenId> guess(std::span<const float> logits, std::span<const TokenId> before);

  // The masks of the grammar for the next position and behind each of the first `count` drafts. On any thread, alone.
  void compute_masks(std::size_t count);
  bool has_grammar() const { return matcher_.has_value(); }

  // Chooses the next token from its logits [vocab_size] (which it may change): the i-th of this step. Publishes it.
  // Returns whether the answer goes on. Throws what the sampler and the grammar throw.
  bool take_token(std::span<float> logits, std::size_t i);

  TokenId last_chosen() const { return last_chosen_; }  // also an end token, which is not among tokens()
  FinishReason reason() const { return reason_; }

  void started();  // its first turn begins
  void finish(FinishReason reason);
  void fail(std::exception_ptr error);

  // The rows of tokens()[0 … computed) are in the cache; of the MTP layer those that belong to positions up to mtp_rows.
  int computed = 0;
  int mtp_rows = 0;
  std::size_t remembered = 0;  // rows that the prefix cache knows already
  std::vector<int> blocks;

 private:
  TokenId choose(std::span<float> logits, std::size_t i, Sampled& sampled);

  SequenceId id_;
  GenerationRequest request_;
  std::shared_ptr<Stream> stream_;
  std::size_t limit_;  // of generated tokens
  std::vector<TokenId> tokens_;
  std::vector<TokenId> drafts_;
  Sampler sampler_;
  Drafting drafting_;
  RepetitionGuard repetition_;
  std::optional<Matcher> matcher_;
  std::vector<std::vector<std::uint32_t>> masks_;
  bool thinking_;
  TokenId last_chosen_ = -1;
  FinishReason reason_ = FinishReason::stop;
  GenerationStats stats_;
  Stream::Clock::time_point submitted_ = Stream::Clock::now(), started_{}, first_token_{};
};

}  // namespace glimt
