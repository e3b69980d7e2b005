// Picks the next token of one sequence from the model's logits.
#pragma once

#include "base/token.h"
#include "sampling/candidates.h"
#include "sampling/logprobs.h"
#include "sampling/params.h"
#include "sampling/penalties.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace glimt {

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

// Memory that sampling works in, some 4 bytes a token of the vocabulary for each list that the settings need. Any
// sampler may use it, one at a time; what is in it between two calls means nothing.
struct SamplerScratch {
  std::vector<float> adjusted;  // logits after bias and penalties
  std::vector<float> weights, bounds;
  std::vector<Candidate> candidates;
  PenaltyScratch penalties;
};

// One for each sequence. Immutable: threads may use one at once, each with a scratch of its own. Same seed, history
// and logits: same token, also when a position is sampled again after a rejected draft: the random numbers of a
// position are functions of the seed, the position and the token alone (see uniform()), never of how many were drawn
// before.
class Sampler {
 public:
  // The first `prompt_tokens` tokens of each history are the prompt, which presence and frequency penalty do not count.
  // Throws invalid_request for impossible parameters and for token ids outside the vocabulary.
  Sampler(SamplingParams params, std::size_t vocab_size, std::size_t prompt_tokens = 0);

  // `logits`: [vocab_size], -inf for forbidden tokens. `history`: prompt and generated tokens so far.
  // Throws internal for NaN, +inf, or nothing but -inf. O(vocab_size + history), nothing is sorted: 154,880 logits take
  // 0.2 ms where a few tokens stand out, 0.5 ms where most are about as likely.
  Sampled sample(std::span<const float> logits, std::span<const TokenId> history, SamplerScratch& scratch) const;

  // The token alone, without log probabilities. For drafts: given the logits of a model that guesses, it mostly is what
  // sample() will choose at the same position; with total variation distance d between the two distributions, with a
  // probability of (1 - d) / (1 + d) or more (Daliri, Musco, Suresh 2024, "Coupling without Communication and
  // Drafter-Invariant Speculative Decoding").
  TokenId choose(std::span<const float> logits, std::span<const TokenId> history, SamplerScratch& scratch) const;

  // The distribution that sample() draws from: all penalties and filters applied, sums to 1, by ascending token id,
  // only tokens with a probability above 0. Greedy: one token with probability 1.
  std::vector<TokenProbability> to_distribution(std::span<const float> logits, std::span<const TokenId> history,
                                                SamplerScratch& scratch) const;

  // The number in [0, 1) that a token has at `position` (= history.size()). They are independent; which of them wins a
  // position depends on the distribution there (see sampling/race.h), so that similar distributions have the same
  // winner.
  double uniform(std::size_t position, TokenId token) const;

  const SamplingParams& params() const { return params_; }
  std::uint64_t seed() const { return seed_; }  // the one given, or the one drawn

 private:
  // The logits that count, and the largest of them: checked and, where penalties change them, in the scratch.
  struct Logits {
    std::span<const float> values;
    float largest;
  };
  struct Weights {
    std::span<const float> values;
    double sum;
    float above;
  };
  Logits adjust(std::span<const float> logits, std::span<const TokenId> history, SamplerScratch& scratch) const;
  Weights weigh(const Logits& logits, SamplerScratch& scratch) const;
  Candidates filter(const Logits& logits, const Weights& weights, SamplerScratch& scratch) const;
  TokenId choose(const Logits& logits, std::size_t position, SamplerScratch& scratch) const;

  SamplingParams params_;
  std::size_t vocab_size_;
  std::uint64_t seed_;
  Penalties penalties_;
};

}  // namespace glimt
