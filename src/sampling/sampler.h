// Picks the next token of one sequence from the model's logits.
#pragma once

#include "base/token.h"
#include "sampling/params.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glimt {

struct TokenLogprob {
  TokenId token;
  float logprob;  // natural logarithm
};

// `logprob` and `top` are of the model's own distribution: softmax of the logits as given, before bias, penalties,
// temperature and filters. They are 0 and empty unless SamplingParams::logprobs asks for them.
struct Sampled {
  TokenId token = 0;
  float logprob = 0;
  std::vector<TokenLogprob> top;  // likeliest first, ties by lower id
};

struct TokenProbability {
  TokenId token;
  float probability;
};

// One for each sequence; not thread-safe (it keeps scratch memory). Same seed, history and logits: same token, also
// when a position is sampled again after a rejected draft: the random numbers of a position are functions of the seed,
// the position and the token alone (see uniform()), never of how many were drawn before.
class Sampler {
 public:
  // Throws invalid_request for impossible parameters and for token ids outside the vocabulary.
  Sampler(SamplingParams params, std::size_t vocab_size);

  // `logits`: [vocab_size], -inf for forbidden tokens, left as they are. `history`: prompt and generated tokens so far.
  // Throws internal for NaN, +inf, or nothing but -inf; O(vocab_size), no full sort.
  Sampled sample(std::span<const float> logits, std::span<const TokenId> history);

  // The token alone, without log probabilities. For drafts: given the logits of a model that guesses, it mostly is what
  // sample() will choose at the same position; with total variation distance d between the two distributions, with a
  // probability of (1 - d) / (1 + d) or more (Daliri, Musco, Suresh 2024, "Coupling without Communication and
  // Drafter-Invariant Speculative Decoding").
  TokenId choose(std::span<const float> logits, std::span<const TokenId> history);

  // The distribution that sample() draws from: all penalties and filters applied, sums to 1, by ascending token id,
  // only tokens with a probability above 0. Greedy: one token with probability 1. Valid until the next call.
  std::span<const TokenProbability> to_distribution(std::span<const float> logits, std::span<const TokenId> history);

  // The number in [0, 1) that a token has at `position` (= history.size()). They are independent; which of them wins a
  // position depends on the distribution there (see race() in the source), so that similar distributions have the same winner.
  double uniform(std::size_t position, TokenId token) const;

  const SamplingParams& params() const { return params_; }
  std::uint64_t seed() const { return seed_; }  // the one given, or the one drawn

 private:
  bool changes_logits() const;
  void adjust(std::span<const float> logits, std::span<const TokenId> history);  // fills adjusted_
  void report_logprobs(std::span<const float> logits, Sampled& sampled) const;

  SamplingParams params_;
  std::size_t vocab_size_;
  std::uint64_t seed_;
  std::vector<float> adjusted_;                 // logits after bias and penalties
  std::vector<TokenProbability> distribution_;  // the result of to_distribution
  std::vector<TokenProbability> scratch_;       // ranking inside the filters
};

}  // namespace glimt
