// Filters never sort the vocabulary. Each one finds the last token that it keeps, in an order that is total (ties by
// id), by nth_element on a growing number of the best tokens, and then drops the rest without changing the order of
// ids.
#include "sampling/sampler.h"

#include "base/error.h"
#include "sampling/penalties.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kFirstGuess = 128;  // a nucleus is rarely larger
constexpr std::size_t kGrowth = 8;

// The finalizer of splitmix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that passes BigCrush on a counter.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

std::uint64_t numbers_at(std::uint64_t seed, std::size_t position) { return mix(mix(seed) ^ position); }

double number_of(TokenId token, std::uint64_t numbers) {
  return static_cast<double>(mix(numbers ^ (std::uint64_t{static_cast<std::uint32_t>(token)} << 32)) >> 11) * 0x1p-53;
}

// An exponential race: each token arrives after a time that is exponentially distributed with its probability as the rate,
// and the first one wins, which is token t with probability p(t). The time is -log(1 - u) / p, which is u / p or more, so
// that most tokens need no logarithm.
TokenId race(std::span<const TokenProbability> distribution, std::uint64_t numbers) {
  TokenId winner = distribution.front().token;
  double first = std::numeric_limits<double>::infinity();
  for (const auto& [token, probability] : distribution) {
    const double u = number_of(token, numbers);
    if (u > first * probability) continue;
    const double time = -std::log1p(-u) / probability;
    if (time >= first) continue;
    first = time;
    winner = token;
  }
  return winner;
}

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

bool likelier(const TokenProbability& a, const TokenProbability& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

// The index of the largest logit, the lowest one if several are equal. The one place that refuses broken logits.
std::size_t checked_argmax(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] <= std::numeric_limits<float>::max())) {  // NaN or +inf
      fail(ErrorKind::internal, "sampler", "the model gave {} as the logit of token {}; the answer cannot go on",
           logits[i], i);
    }
    if (logits[i] > logits[best]) best = i;
  }
  if (logits[best] < std::numeric_limits<float>::lowest()) {
    fail(ErrorKind::internal, "sampler", "no token is possible: all {} logits are -inf", logits.size());
  }
  return best;
}

void normalize(std::vector<TokenProbability>& candidates) {
  double total = 0;
  for (const TokenProbability& candidate : candidates) total += candidate.probability;
  for (TokenProbability& candidate : candidates) {
    candidate.probability = static_cast<float>(candidate.probability / total);
  }
}

// Keeps the `count` first candidates in the order `before`, and the order they are in.
template <typename Before>
void keep_first(std::vector<TokenProbability>& candidates, std::size_t count, std::vector<TokenProbability>& scratch,
                Before before) {
  if (count >= candidates.size()) return;
  scratch = candidates;
  const auto last = scratch.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::nth_element(scratch.begin(), last, scratch.end(), before);
  const TokenProbability limit = *last;
  std::erase_if(candidates, [&](const TokenProbability& candidate) { return before(limit, candidate); });
}

// Keeps the shortest start of the order `before` whose probabilities sum to `mass` or more, and at least one candidate.
// A quickselect that follows the mass instead of a rank: scratch[0, low) is in, [low, high) open, the rest out.
template <typename Before>
void keep_mass(std::vector<TokenProbability>& candidates, double mass, std::vector<TokenProbability>& scratch,
               Before before) {
  scratch = candidates;
  const auto at = [&](std::size_t i) { return scratch.begin() + static_cast<std::ptrdiff_t>(i); };
  double sum = 0;  // of scratch[0, low)
  std::size_t low = 0;
  for (std::size_t high = scratch.size(); high - low > 1;) {
    const std::size_t middle = low + std::min((high - low) / 2, std::max(kFirstGuess, kGrowth * low));
    std::nth_element(at(low), at(middle), at(high), before);
    double part = 0;
    for (std::size_t i = low; i < middle; ++i) part += scratch[i].probability;
    if (sum + part >= mass) {
      high = middle;
    } else {
      sum += part;
      low = middle;
    }
  }
  const TokenProbability limit = scratch[low];
  std::erase_if(candidates, [&](const TokenProbability& candidate) { return before(limit, candidate); });
}

// Locally typical sampling (Meister et al. 2022): tokens whose information is nearest to the entropy come first.
void keep_typical(std::vector<TokenProbability>& candidates, double mass, std::vector<TokenProbability>& scratch) {
  double entropy = 0;
  for (const auto& [token, p] : candidates) entropy -= static_cast<double>(p) * std::log(static_cast<double>(p));
  const auto surprise = [entropy](const TokenProbability& candidate) {
    return std::abs(-std::log(static_cast<double>(candidate.probability)) - entropy);
  };
  keep_mass(candidates, mass, scratch, [&](const TokenProbability& a, const TokenProbability& b) {
    const double sa = surprise(a);
    const double sb = surprise(b);
    return sa != sb ? sa < sb : a.token < b.token;
  });
}

}  // namespace

Sampler::Sampler(SamplingParams params, std::size_t vocab_size)
    : params_(std::move(params)), vocab_size_(vocab_size), seed_(params_.seed ? *params_.seed : random_seed()) {
  params_.validate();
  if (vocab_size_ == 0) fail(ErrorKind::invalid_request, "sampler", "the vocabulary is empty");
  const auto check = [&](std::string_view field, TokenId token) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_size_) {
      fail(ErrorKind::invalid_request, field, "token {} is not in the vocabulary of {}", token, vocab_size_);
    }
  };
  for (const auto& [token, bias] : params_.logit_bias) check("logit_bias", token);
  for (const TokenId token : params_.dry.breakers) check("dry_sequence_breakers", token);
}

double Sampler::uniform(std::size_t position, TokenId token) const {
  return number_of(token, numbers_at(seed_, position));
}

bool Sampler::changes_logits() const {
  const bool repeats = params_.repeat_penalty != 1 || params_.presence_penalty != 0 || params_.frequency_penalty != 0;
  return !params_.logit_bias.empty() || repeats || params_.dry.multiplier > 0;
}

void Sampler::adjust(std::span<const float> logits, std::span<const TokenId> history) {
  adjusted_.assign(logits.begin(), logits.end());
  for (const auto& [token, bias] : params_.logit_bias) adjusted_[static_cast<std::size_t>(token)] += bias;
  apply_repeat_penalties(params_, history, adjusted_);
  if (params_.dry.multiplier > 0) apply_dry(params_.dry, history, adjusted_);
}

std::span<const TokenProbability> Sampler::to_distribution(std::span<const float> logits,
                                                           std::span<const TokenId> history) {
  if (logits.size() != vocab_size_) {
    fail(ErrorKind::internal, "sampler", "wanted {} logits, got {}", vocab_size_, logits.size());
  }
  std::size_t best = checked_argmax(logits);
  if (changes_logits()) {
    adjust(logits, history);
    logits = adjusted_;
    best = checked_argmax(logits);
  }
  distribution_.clear();
  if (params_.temperature == 0) {
    distribution_.push_back({static_cast<TokenId>(best), 1.0F});
    return distribution_;
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const float p = std::exp((logits[i] - logits[best]) / params_.temperature);
    if (p > 0) distribution_.push_back({static_cast<TokenId>(i), p});
  }
  if (params_.top_k > 0) keep_first(distribution_, static_cast<std::size_t>(params_.top_k), scratch_, likelier);
  normalize(distribution_);
  if (params_.top_p < 1) {
    keep_mass(distribution_, params_.top_p, scratch_, likelier);
    normalize(distribution_);
  }
  if (params_.min_p > 0) {
    const float limit =
        params_.min_p * std::min_element(distribution_.begin(), distribution_.end(), likelier)->probability;
    std::erase_if(distribution_, [limit](const TokenProbability& candidate) { return candidate.probability < limit; });
    normalize(distribution_);
  }
  if (params_.typical_p < 1) {
    keep_typical(distribution_, params_.typical_p, scratch_);
    normalize(distribution_);
  }
  return distribution_;
}

TokenId Sampler::choose(std::span<const float> logits, std::span<const TokenId> history) {
  return race(to_distribution(logits, history), numbers_at(seed_, history.size()));
}

Sampled Sampler::sample(std::span<const float> logits, std::span<const TokenId> history) {
  Sampled sampled;
  sampled.token = choose(logits, history);
  if (params_.logprobs) report_logprobs(logits, sampled);
  return sampled;
}

void Sampler::report_logprobs(std::span<const float> logits, Sampled& sampled) const {
  const float max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - max);
  const auto logprob = [&](TokenId token) {
    return static_cast<float>(logits[static_cast<std::size_t>(token)] - max - std::log(sum));
  };
  sampled.logprob = logprob(sampled.token);

  std::vector<TokenId> ids(logits.size());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>(i);
  const auto count = std::min(ids.size(), static_cast<std::size_t>(params_.top_logprobs));
  const auto end = ids.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(ids.begin(), end, ids.end(), [&](TokenId a, TokenId b) {
    const float la = logits[static_cast<std::size_t>(a)];
    const float lb = logits[static_cast<std::size_t>(b)];
    return la != lb ? la > lb : a < b;
  });
  for (auto it = ids.begin(); it != end; ++it) {
    const TokenLogprob alternative{*it, logprob(*it)};
    if (std::isfinite(alternative.logprob)) sampled.top.push_back(alternative);  // forbidden tokens are no alternatives
  }
}

}  // namespace glimt
