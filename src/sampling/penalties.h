// Changes of logits that depend on the history. Internal to the sampler.
#pragma once

#include "sampling/params.h"

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace glimt {

// What the penalties count in; empty until they are used. `counts` has an entry a token, all 0 between two calls.
struct PenaltyScratch {
  std::vector<std::uint32_t> counts, generated;
  std::vector<TokenId> touched;
  std::vector<std::uint32_t> matches;
};

// The last `last_n` tokens of `history`; all of them for -1.
std::span<const TokenId> last_tokens(std::span<const TokenId> history, int last_n);

// Logit bias, repeat, frequency and presence penalty, and DRY, made ready once for all tokens of a sequence. Each call
// costs time in proportion to the windows and the distinct tokens in them. Immutable.
class Penalties {
 public:
  // REQUIRES: valid parameters whose token ids are below vocab_size.
  Penalties(const SamplingParams& params, std::size_t vocab_size, std::size_t prompt_tokens);

  // False: apply() changes nothing.
  bool any() const;

  // `logits`: [vocab_size]. Tokens of the history outside the vocabulary are ignored.
  void apply(std::span<const TokenId> history, std::span<float> logits, PenaltyScratch& scratch) const;

 private:
  void apply_repeats(std::span<const TokenId> history, std::span<float> logits, PenaltyScratch& scratch) const;
  void apply_dry(std::span<const TokenId> history, std::span<float> logits, PenaltyScratch& scratch) const;
  bool is_breaker(TokenId token) const;
  bool in_vocabulary(TokenId token) const { return token >= 0 && static_cast<std::size_t>(token) < vocab_size_; }
  bool repeats() const { return repeat_ != 1 || presence_ != 0 || frequency_ != 0; }

  std::size_t vocab_size_, prompt_tokens_;
  std::vector<std::pair<TokenId, float>> bias_;
  float repeat_, presence_, frequency_;
  int repeat_last_n_;
  float dry_multiplier_, dry_base_;
  std::size_t dry_allowed_length_;
  int dry_last_n_;
  std::vector<bool> breakers_;  // by token; empty if DRY is off
};

}  // namespace glimt
