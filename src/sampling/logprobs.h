// Log probabilities of the model's own distribution. Internal to the sampler.
#pragma once

#include "base/token.h"

#include <cstddef>
#include <span>
#include <vector>

namespace glimt {

struct TokenLogprob {
  TokenId token;
  float logprob;  // natural logarithm
};

// Of the softmax of `logits`, whose largest is `largest`.
class Logprobs {
 public:
  Logprobs(std::span<const float> logits, float largest);

  float of(TokenId token) const;

  // The `count` likeliest, ties by lower id; forbidden tokens (-inf) are none. O(tokens), with a factor of log(count)
  // for each that is among the likeliest so far.
  std::vector<TokenLogprob> likeliest(std::size_t count) const;

 private:
  std::span<const float> logits_;
  float largest_;
  double log_sum_;
};

}  // namespace glimt
