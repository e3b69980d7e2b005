#include "measure/logits_row.h"

#include "base/error.h"

#include <algorithm>
#include <cmath>

namespace glimt {

LogitsRow::LogitsRow(std::span<const float> logits) : logits_(logits) {
  const auto largest = std::max_element(logits.begin(), logits.end());
  best_ = static_cast<TokenId>(largest - logits.begin());
  const double shift = *largest;
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - shift);
  log_sum_ = shift + std::log(sum);
  if (!std::isfinite(log_sum_)) fail(ErrorKind::internal, "logits", "the model computed values that are no numbers");
}

double LogitsRow::loss(TokenId token) const { return log_sum_ - logits_[static_cast<std::size_t>(token)]; }

double LogitsRow::divergence(const LogitsRow& q) const {
  double sum = 0;
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    const double p = logits_[i] - log_sum_;
    sum += std::exp(p) * (p - (q.logits_[i] - q.log_sum_));
  }
  return std::max(sum, 0.0);  // rounding may take it below
}

}  // namespace glimt
