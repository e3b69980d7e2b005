// What a model says about one next token: a row of logits as a distribution. In double precision, so that divergences
// far below the logits' own resolution come out right.
#pragma once

#include "base/token.h"

#include <span>

namespace glimt {

class LogitsRow {
 public:
  // Refers to `logits` [vocab_size]. Throws internal for logits that are not numbers.
  explicit LogitsRow(std::span<const float> logits);

  // -log of the token's probability. REQUIRES 0 <= token < vocab_size.
  double loss(TokenId token) const;

  // The most probable token; of equals the first.
  TokenId best() const { return best_; }

  // Kullback-Leibler divergence from this distribution P to Q, the sum of P · (log P - log Q) in nats; exactly 0 for
  // equal logits. REQUIRES as many tokens.
  double divergence(const LogitsRow& q) const;

 private:
  std::span<const float> logits_;
  double log_sum_ = 0;  // of exp(logits)
  TokenId best_ = 0;
};

}  // namespace glimt
