#include "sampling/penalties.h"

#include <algorithm>
#include <cmath>

namespace glimt {
namespace {

constexpr double kMaxDryPenalty = 1e9;  // base^length overflows quickly; this bans the token and stays finite

}  // namespace

std::span<const TokenId> last_tokens(std::span<const TokenId> history, int last_n) {
  if (last_n < 0) return history;
  return history.last(std::min(history.size(), static_cast<std::size_t>(last_n)));
}

Penalties::Penalties(const SamplingParams& params, std::size_t vocab_size, std::size_t prompt_tokens)
    : vocab_size_(vocab_size),
      prompt_tokens_(prompt_tokens),
      bias_(params.logit_bias.begin(), params.logit_bias.end()),
      repeat_(params.repeat_penalty),
      presence_(params.presence_penalty),
      frequency_(params.frequency_penalty),
      repeat_last_n_(params.repeat_last_n),
      dry_multiplier_(params.dry.multiplier),
      dry_base_(params.dry.base),
      dry_allowed_length_(static_cast<std::size_t>(params.dry.allowed_length)),
      dry_last_n_(params.dry.last_n) {
  if (dry_multiplier_ == 0) return;
  breakers_.resize(vocab_size);
  for (const TokenId token : params.dry.breakers) breakers_[static_cast<std::size_t>(token)] = true;
}

bool Penalties::any() const { return !bias_.empty() || repeats() || dry_multiplier_ > 0; }

bool Penalties::is_breaker(TokenId token) const {
  return in_vocabulary(token) && breakers_[static_cast<std::size_t>(token)];
}

void Penalties::apply(std::span<const TokenId> history, std::span<float> logits, PenaltyScratch& scratch) const {
  for (const auto& [token, bias] : bias_) logits[static_cast<std::size_t>(token)] += bias;
  scratch.counts.resize(vocab_size_);
  scratch.generated.resize(vocab_size_);
  if (repeats()) apply_repeats(history, logits, scratch);
  if (dry_multiplier_ > 0) apply_dry(history, logits, scratch);
}

void Penalties::apply_repeats(std::span<const TokenId> history, std::span<float> logits,
                              PenaltyScratch& scratch) const {
  const std::span<const TokenId> window = last_tokens(history, repeat_last_n_);
  const std::size_t generated = std::min(window.size(), history.size() - std::min(history.size(), prompt_tokens_));
  scratch.touched.clear();
  scratch.touched.reserve(
      std::min(window.size(), vocab_size_));  // an allocation that failed below would leave counts behind
  for (std::size_t i = 0; i < window.size(); ++i) {
    if (!in_vocabulary(window[i])) continue;
    const auto token = static_cast<std::size_t>(window[i]);
    if (scratch.counts[token]++ == 0) scratch.touched.push_back(window[i]);
    if (i >= window.size() - generated) ++scratch.generated[token];
  }
  for (const TokenId id : scratch.touched) {
    const auto token = static_cast<std::size_t>(id);
    float& logit = logits[token];
    logit = logit > 0 ? logit / repeat_ : logit * repeat_;
    const std::uint32_t times = scratch.generated[token];
    if (times > 0) logit -= static_cast<float>(times) * frequency_ + presence_;
    scratch.counts[token] = scratch.generated[token] = 0;
  }
}

// A token c loses multiplier * base^(L - allowed_length), where L is the length of the longest repeat that it would
// extend: the longest L such that the last L tokens of the history, holding no breaker, stand somewhere before in it
// followed by c.
//
// Read backwards, the history begins with the pattern that is looked for (up to its first breaker), and matches of the
// pattern's beginning are found by the Z function (Gusfield, Algorithms on Strings, 1.4): O(history).
void Penalties::apply_dry(std::span<const TokenId> history, std::span<float> logits, PenaltyScratch& scratch) const {
  const std::span<const TokenId> window = last_tokens(history, dry_last_n_);
  const auto back = [&](std::size_t i) { return window[window.size() - 1 - i]; };
  std::size_t pattern = 0;
  while (pattern < window.size() && !is_breaker(back(pattern))) ++pattern;
  if (pattern < dry_allowed_length_) return;

  scratch.touched.clear();
  scratch.touched.reserve(std::min(window.size(), vocab_size_));
  scratch.matches.assign(pattern, 0);  // [i]: how many tokens from i on are those of the pattern, as far as it goes
  std::size_t left = 0, right = 0;     // back(left … right) is the match found so far that ends last
  for (std::size_t i = 1; i < window.size(); ++i) {
    std::size_t length = i < right ? std::min<std::size_t>(right - i, scratch.matches[i - left]) : 0;
    while (length < pattern && i + length < window.size() && back(length) == back(i + length)) ++length;
    if (i < pattern) scratch.matches[i] = static_cast<std::uint32_t>(length);
    if (i + length > right) {
      left = i;
      right = i + length;
    }
    if (length < dry_allowed_length_) continue;
    const TokenId next = back(i - 1);  // what followed the earlier copy
    if (!in_vocabulary(next) || is_breaker(next)) continue;
    std::uint32_t& longest = scratch.counts[static_cast<std::size_t>(next)];
    if (longest == 0) scratch.touched.push_back(next);
    longest = std::max(longest, static_cast<std::uint32_t>(length));
  }
  for (const TokenId id : scratch.touched) {
    const auto token = static_cast<std::size_t>(id);
    const double exponent = static_cast<double>(scratch.counts[token]) - static_cast<double>(dry_allowed_length_);
    const double penalty = std::min(kMaxDryPenalty, dry_multiplier_ * std::pow(double{dry_base_}, exponent));
    logits[token] -= static_cast<float>(penalty);
    scratch.counts[token] = 0;
  }
}

}  // namespace glimt
