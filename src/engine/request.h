// What a caller asks of the engine, and what comes back. Plain values.
#pragma once

#include "base/token.h"
#include "grammar/grammar.h"
#include "sampling/sampler.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace glimt {

// After `tokens` tokens of thinking the next one is `close`, unless the grammar forbids it there. REQUIRES a prompt
// that ends inside of the thinking.
struct ThinkingBudget {
  std::size_t tokens = 0;
  TokenId close = 0;                           // </think>
  std::optional<TokenId> call = std::nullopt;  // <tool_call>: a call ends the thinking as well
};

struct GenerationRequest {
  std::vector<TokenId> prompt;  // not empty
  SamplingParams sampling;
  std::size_t max_tokens = 0;  // 0: as many as the context holds
  std::vector<TokenId> eos;    // end the answer; not reported as tokens
  std::optional<Grammar> grammar = std::nullopt;
  std::optional<ThinkingBudget> thinking_budget = std::nullopt;
  bool embed = false;  // no answer, but GenerationResult::embedding; then there is no grammar and no thinking budget
  bool stop_repetition = true;  // end a free answer that only repeats itself; constrained ones are never cut
  std::size_t most_unread_bytes = std::size_t{16} << 20;  // events that wait for their reader; beyond: overloaded
  std::string name_space = {};                            // prefixes are shared within one only: an API key, say
  std::chrono::steady_clock::time_point deadline = std::chrono::steady_clock::time_point::max();
};

struct TokenEvent {
  TokenId token;
  float logprob;  // as Sampled
  std::vector<TokenLogprob> top;
  bool guessed = false;  // it was drafted before the model chose it
};

struct PrefillProgress {
  std::size_t done = 0;
  std::size_t total = 0;
};

enum class FinishReason {
  stop,        // an end token, or the caller had enough
  length,      // max_tokens, or the context's end
  repetition,  // the answer only repeated itself
  cancelled,
};

// Who gave up, where the reason is FinishReason::cancelled.
enum class CancelReason : std::uint8_t {
  none,
  caller,    // Stream::cancel(), or a callback of Engine::generate
  dropped,   // the stream went before its end
  callback,  // what Stream::on_event calls has thrown
  shutdown,  // the engine ends
};

struct GenerationStats {
  std::size_t prompt_tokens = 0;
  std::size_t reused_tokens = 0;     // of the prompt, found in the cache
  std::size_t generated_tokens = 0;  // an end token included
  std::size_t drafted = 0;           // guesses of the MTP layer or the n-gram look-up that were verified
  std::size_t accepted = 0;          // those equal to the token that the model then chose
  double queue_seconds = 0;          // before its first turn
  double prefill_seconds = 0;        // from then to the first token
  double decode_seconds = 0;
};

struct GenerationResult {
  FinishReason reason = FinishReason::stop;
  GenerationStats stats;
  CancelReason cancelled_by = CancelReason::none;

  // Of a request to embed its prompt, unless it was cancelled: the mean of the prompt's hidden states after the final
  // norm, divided by its length. The prompt may fill the context. Its rows are neither taken from the prefix cache,
  // since every token's hidden state counts, nor left there.
  std::vector<float> embedding = {};
};

// In the order of a request's life; a result or an exception is the last.
using StreamEvent = std::variant<PrefillProgress, TokenEvent, GenerationResult, std::exception_ptr>;

}  // namespace glimt
