#include "sampling/sampler.h"

#include "base/error.h"
#include "sampling/race.h"
#include "sampling/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <utility>

namespace glimt {
namespace {

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

SamplingParams validated(SamplingParams params, std::size_t vocab_size) {
  params.validate();
  if (vocab_size == 0) fail(ErrorKind::invalid_request, "sampler", "the vocabulary is empty");
  const auto check = [&](std::string_view field, TokenId token) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocab_size) {
      fail(ErrorKind::invalid_request, field, "token {} is not in the vocabulary of {}", token, vocab_size);
    }
  };
  for (const auto& [token, bias] : params.logit_bias) check("logit_bias", token);
  for (const TokenId token : params.dry.breakers) check("dry_sequence_breakers", token);
  return params;
}

// 1 / temperature, finite also for the tiniest one.
float sharpness_of(float temperature) { return std::min(1 / temperature, std::numeric_limits<float>::max()); }

}  // namespace

Sampler::Sampler(SamplingParams params, std::size_t vocab_size, std::size_t prompt_tokens)
    : params_(validated(std::move(params), vocab_size)),
      vocab_size_(vocab_size),
      seed_(params_.seed ? *params_.seed : random_seed()),
      penalties_(params_, vocab_size, prompt_tokens) {}

double Sampler::uniform(std::size_t position, TokenId token) const { return RaceNumbers(seed_, position).of(token); }

Sampler::Logits Sampler::adjust(std::span<const float> logits, std::span<const TokenId> history,
                                SamplerScratch& scratch) const {
  if (logits.size() != vocab_size_) {
    fail(ErrorKind::internal, "sampler", "wanted {} logits, got {}", vocab_size_, logits.size());
  }
  if (penalties_.any()) {
    scratch.adjusted.assign(logits.begin(), logits.end());
    penalties_.apply(history, scratch.adjusted, scratch.penalties);
    logits = scratch.adjusted;
  }
  return {logits, largest_logit(logits)};
}

// The weights of all tokens, their sum, and a weight that surely is below those of all tokens that are kept: it spares
// a look at most of them.
Sampler::Weights Sampler::weigh(const Logits& logits, SamplerScratch& scratch) const {
  const std::size_t vocab = logits.values.size();
  scratch.weights.resize(vocab);
  Weights weights{scratch.weights, 0, 0};
  weights.sum = softmax_weights(logits.values, logits.largest, sharpness_of(params_.temperature), scratch.weights);
  const auto just_below = [](float weight) { return std::nextafter(weight, 0.0F); };
  if (params_.top_k > 0) {
    scratch.bounds.resize(vocab);
    const auto k = static_cast<std::size_t>(params_.top_k);
    weights.above = just_below(bound_of_likeliest(scratch.weights, k, scratch.bounds));
  } else {
    // Tokens this light hold less than 1 - top_p together, however many they are: they are behind the nucleus.
    constexpr double kRounding = 0.999;
    const double light = (1 - double{params_.top_p}) * weights.sum / static_cast<double>(vocab) * kRounding;
    weights.above = std::max(static_cast<float>(light), just_below(params_.min_p));
  }
  return weights;
}

// Each filter sees what the one before it left.
Candidates Sampler::filter(const Logits& logits, const Weights& weights, SamplerScratch& scratch) const {
  scratch.candidates.resize(weights.values.size());
  Candidates kept = collect_candidates(weights.values, weights.above, scratch.candidates);
  double mass = weights.sum;
  if (params_.top_k > 0) {
    kept = keep_likeliest(kept, static_cast<std::size_t>(params_.top_k));
    mass = total_weight(kept);
  }
  if (params_.top_p < 1) kept = keep_nucleus(kept, params_.top_p * mass);
  if (params_.min_p > 0) kept = keep_heavy(kept, params_.min_p);
  if (params_.typical_p < 1) {
    kept = keep_typical(kept, params_.typical_p, logits.values, logits.largest, sharpness_of(params_.temperature));
  }
  return kept;
}

std::vector<TokenProbability> Sampler::to_distribution(std::span<const float> given, std::span<const TokenId> history,
                                                       SamplerScratch& scratch) const {
  const Logits logits = adjust(given, history, scratch);
  if (params_.temperature == 0) return {{choose(logits, history.size(), scratch), 1.0F}};
  const Candidates kept = filter(logits, weigh(logits, scratch), scratch);
  const double total = total_weight(kept);
  std::vector<TokenProbability> distribution;
  for (const Candidate& candidate : kept) {
    const auto probability = static_cast<float>(candidate.weight / total);
    if (probability > 0) distribution.push_back({candidate.token, probability});
  }
  return distribution;
}

TokenId Sampler::choose(const Logits& logits, std::size_t position, SamplerScratch& scratch) const {
  if (params_.temperature == 0) {  // the lowest id of equals
    const auto likeliest = std::find(logits.values.begin(), logits.values.end(), logits.largest);
    return static_cast<TokenId>(likeliest - logits.values.begin());
  }
  const RaceNumbers numbers(seed_, position);
  const Weights weights = weigh(logits, scratch);
  if (params_.top_k == 0 && params_.typical_p == 1) {
    const double mass = params_.top_p < 1 ? params_.top_p * weights.sum : std::numeric_limits<double>::infinity();
    return race_in_nucleus(weights.values, mass, weights.above, numbers);
  }
  return race(filter(logits, weights, scratch), numbers);
}

TokenId Sampler::choose(std::span<const float> logits, std::span<const TokenId> history,
                        SamplerScratch& scratch) const {
  return choose(adjust(logits, history, scratch), history.size(), scratch);
}

Sampled Sampler::sample(std::span<const float> logits, std::span<const TokenId> history,
                        SamplerScratch& scratch) const {
  Sampled sampled;
  const Logits adjusted = adjust(logits, history, scratch);
  sampled.token = choose(adjusted, history.size(), scratch);
  if (params_.logprobs) {
    const Logprobs logprobs(logits, penalties_.any() ? largest_logit(logits) : adjusted.largest);
    sampled.logprob = logprobs.of(sampled.token);
    sampled.top = logprobs.likeliest(static_cast<std::size_t>(params_.top_logprobs));
  }
  return sampled;
}

}  // namespace glimt
