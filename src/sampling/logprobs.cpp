#include "sampling/logprobs.h"

#include "sampling/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace glimt {

Logprobs::Logprobs(std::span<const float> logits, float largest)
    : logits_(logits), largest_(largest), log_sum_(std::log(softmax_sum(logits, largest))) {}

float Logprobs::of(TokenId token) const {
  return static_cast<float>(logits_[static_cast<std::size_t>(token)] - largest_ - log_sum_);
}

// A heap of the likeliest so far, the least likely of them on top. Ids only grow, so an equal one does not get in.
std::vector<TokenLogprob> Logprobs::likeliest(std::size_t count) const {
  struct Entry {
    float logit;
    TokenId token;
  };
  const auto likelier = [](const Entry& a, const Entry& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
  };
  std::vector<Entry> best;
  float least = -std::numeric_limits<float>::infinity();  // that does not get in
  for (std::size_t i = 0; count > 0 && i < logits_.size(); ++i) {
    if (!(logits_[i] > least)) continue;
    if (best.size() == count) {
      std::pop_heap(best.begin(), best.end(), likelier);
      best.pop_back();
    }
    best.push_back({logits_[i], static_cast<TokenId>(i)});
    std::push_heap(best.begin(), best.end(), likelier);
    if (best.size() == count) least = best.front().logit;
  }
  std::sort_heap(best.begin(), best.end(), likelier);
  std::vector<TokenLogprob> top;
  top.reserve(best.size());
  for (const Entry& entry : best) top.push_back({entry.token, of(entry.token)});
  return top;
}

}  // namespace glimt
