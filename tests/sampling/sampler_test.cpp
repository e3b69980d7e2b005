// The oracle below is a second implementation from the definitions: full sorts, double precision, brute-force repeats.
#include "sampling/sampler.h"
#include "base/error.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace glimt {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
using Tokens = std::vector<TokenId>;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  double uniform() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  int below(int n) { return static_cast<int>(uniform() * n); }
  double normal() { return std::sqrt(-2 * std::log(1 - uniform())) * std::cos(6.283185307179586 * uniform()); }
  bool coin(double p = 0.5) { return uniform() < p; }

 private:
  std::mt19937_64 engine_;
};

// A sampler with a scratch of its own, which every call leaves as it is: what one call left there must not change the
// next.
class OwnSampler : public Sampler {
 public:
  using Sampler::Sampler;
  Sampled sample(std::span<const float> logits, std::span<const TokenId> history) {
    return Sampler::sample(logits, history, scratch_);
  }
  TokenId choose(std::span<const float> logits, std::span<const TokenId> history) {
    return Sampler::choose(logits, history, scratch_);
  }
  std::vector<TokenProbability> to_distribution(std::span<const float> logits, std::span<const TokenId> history) {
    return Sampler::to_distribution(logits, history, scratch_);
  }

 private:
  SamplerScratch scratch_;
};

// --- the oracle
// -------------------------------------------------------------------------------------------------------

// Longest L such that history[n-L..n) has no breaker and equals history[i-L..i), where history[i] == token.
int brute_force_repeat(const Tokens& history, TokenId token, const Tokens& breakers) {
  const int n = static_cast<int>(history.size());
  const auto is_breaker = [&](TokenId t) { return std::find(breakers.begin(), breakers.end(), t) != breakers.end(); };
  if (is_breaker(token)) return 0;
  int best = 0;
  for (int i = 0; i < n; ++i) {
    if (history[static_cast<std::size_t>(i)] != token) continue;
    int length = 0;
    while (length < i) {
      const TokenId earlier = history[static_cast<std::size_t>(i - 1 - length)];
      const TokenId now = history[static_cast<std::size_t>(n - 1 - length)];
      if (earlier != now || is_breaker(now)) break;
      ++length;
    }
    best = std::max(best, length);
  }
  return best;
}

Tokens tail(const Tokens& history, int n) {
  const std::size_t keep = n < 0 ? history.size() : std::min(history.size(), static_cast<std::size_t>(n));
  return Tokens(history.end() - static_cast<std::ptrdiff_t>(keep), history.end());
}

using Ranked = std::vector<std::pair<double, TokenId>>;  // (probability, token)

void normalize(Ranked& ranked) {
  double sum = 0;
  for (const auto& [p, token] : ranked) sum += p;
  for (auto& [p, token] : ranked) p /= sum;
}

void cut_at_mass(Ranked& ranked, double mass) {
  double sum = 0;
  std::size_t keep = 0;
  while (keep < ranked.size()) {
    sum += ranked[keep++].first;
    if (sum >= mass) break;
  }
  ranked.resize(keep);
  normalize(ranked);
}

std::vector<double> oracle(const SamplingParams& params, const std::vector<float>& logits, const Tokens& history) {
  std::vector<double> l(logits.begin(), logits.end());
  for (const auto& [token, bias] : params.logit_bias) l[static_cast<std::size_t>(token)] += bias;
  const Tokens window = tail(history, params.repeat_last_n);
  const Tokens dry_window = tail(history, params.dry.last_n);
  for (std::size_t t = 0; t < l.size(); ++t) {
    const auto token = static_cast<TokenId>(t);
    const auto count = std::count(window.begin(), window.end(), token);
    if (count > 0) {
      l[t] = l[t] > 0 ? l[t] / params.repeat_penalty : l[t] * params.repeat_penalty;
      l[t] -= static_cast<double>(count) * params.frequency_penalty + params.presence_penalty;
    }
    const int repeat = brute_force_repeat(dry_window, token, params.dry.breakers);
    if (params.dry.multiplier > 0 && repeat >= params.dry.allowed_length) {
      l[t] -= params.dry.multiplier * std::pow(params.dry.base, repeat - params.dry.allowed_length);
    }
  }
  std::vector<double> result(l.size(), 0.0);
  if (params.temperature == 0) {
    result[static_cast<std::size_t>(std::max_element(l.begin(), l.end()) - l.begin())] = 1;
    return result;
  }
  const double max = *std::max_element(l.begin(), l.end());
  Ranked ranked;
  for (std::size_t t = 0; t < l.size(); ++t) {
    ranked.emplace_back(std::exp((l[t] - max) / params.temperature), static_cast<TokenId>(t));
  }
  std::sort(ranked.begin(), ranked.end(),
            [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });
  if (params.top_k > 0) ranked.resize(std::min(ranked.size(), static_cast<std::size_t>(params.top_k)));
  normalize(ranked);
  if (params.top_p < 1) cut_at_mass(ranked, params.top_p);
  if (params.min_p > 0) {
    const double limit = params.min_p * ranked.front().first;
    std::erase_if(ranked, [&](const auto& entry) { return entry.first < limit; });
    normalize(ranked);
  }
  if (params.typical_p < 1) {
    double entropy = 0;
    for (const auto& [p, token] : ranked) entropy -= p > 0 ? p * std::log(p) : 0;
    std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
      const double sa = std::abs(std::log(a.first) + entropy);
      const double sb = std::abs(std::log(b.first) + entropy);
      return sa != sb ? sa < sb : a.second < b.second;
    });
    cut_at_mass(ranked, params.typical_p);
  }
  for (const auto& [p, token] : ranked) result[static_cast<std::size_t>(token)] = p;
  return result;
}

// --- helpers
// ----------------------------------------------------------------------------------------------------------

std::vector<double> dense(std::span<const TokenProbability> distribution, std::size_t vocab) {
  std::vector<double> result(vocab, 0.0);
  for (const auto& [token, p] : distribution) result.at(static_cast<std::size_t>(token)) = p;
  return result;
}

void expect_near(const std::vector<double>& got, const std::vector<double>& wanted, double tolerance) {
  ASSERT_EQ(got.size(), wanted.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], wanted[i], tolerance) << "token " << i;
}

std::vector<float> random_logits(Random& random, std::size_t vocab, double scale) {
  std::vector<float> logits(vocab);
  for (float& logit : logits) logit = static_cast<float>(scale * random.normal());
  return logits;
}

Tokens random_history(Random& random, int length, int vocab) {
  Tokens history;
  for (int i = 0; i < length; ++i) history.push_back(random.below(vocab));
  return history;
}

SamplingParams random_params(Random& random, int vocab) {
  SamplingParams params;
  params.temperature = random.coin(0.1) ? 0.0F : static_cast<float>(0.1 + 2 * random.uniform());
  if (random.coin()) params.top_k = 1 + random.below(2 * vocab);
  if (random.coin()) params.top_p = static_cast<float>(random.uniform());
  if (random.coin()) params.min_p = static_cast<float>(0.3 * random.uniform());
  if (random.coin()) params.typical_p = static_cast<float>(0.05 + 0.95 * random.uniform());
  if (random.coin()) params.repeat_penalty = static_cast<float>(0.7 + random.uniform());
  if (random.coin()) params.presence_penalty = static_cast<float>(random.normal());
  if (random.coin()) params.frequency_penalty = static_cast<float>(random.normal());
  if (random.coin()) params.repeat_last_n = random.below(20) - 1;
  if (random.coin()) {
    params.dry.multiplier = static_cast<float>(2 * random.uniform());
    params.dry.allowed_length = 1 + random.below(4);
    params.dry.last_n = random.coin() ? -1 : random.below(40);
    for (int i = random.below(3); i > 0; --i) params.dry.breakers.push_back(random.below(vocab));
  }
  for (int i = random.below(4); i > 0; --i)
    params.logit_bias[random.below(vocab)] = static_cast<float>(3 * random.normal());
  params.seed = 1;
  return params;
}

// --- against the oracle
// -----------------------------------------------------------------------------------------------

TEST(Sampler, EqualsTheOracleOnRandomSettings) {
  Random random(20261124);
  for (int round = 0; round < 4000; ++round) {
    const int vocab = 2 + random.below(random.coin(0.1) ? 1500 : 24);
    const SamplingParams params = random_params(random, vocab);
    const std::vector<float> logits =
        random_logits(random, static_cast<std::size_t>(vocab), 0.5 + 3 * random.uniform());
    // Few distinct tokens, so that repeats are long.
    const Tokens history = random_history(random, random.below(60), std::min(vocab, 2 + random.below(4)));
    OwnSampler sampler(params, logits.size());
    SCOPED_TRACE(testing::Message() << "round " << round);
    const std::vector<double> wanted = oracle(params, logits, history);
    const std::vector<double> got = dense(sampler.to_distribution(logits, history), logits.size());
    ASSERT_NEAR(std::accumulate(got.begin(), got.end(), 0.0), 1.0, 1e-5);
    expect_near(got, wanted, 2e-5);
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Sampler, EqualsTheOracleOnTheWholeVocabulary) {
  Random random(7);
  const std::vector<float> logits =
      random_logits(random, 154880, 1.0);  // flat: the nucleus holds most of the vocabulary
  for (const float top_p : {0.1F, 0.95F, 0.999F}) {
    SamplingParams params;
    params.top_p = top_p;
    OwnSampler sampler(params, logits.size());
    const auto got = dense(sampler.to_distribution(logits, {}), logits.size());
    const auto wanted = oracle(params, logits, {});
    double distance = 0;
    for (std::size_t i = 0; i < got.size(); ++i) distance += std::abs(got[i] - wanted[i]);
    EXPECT_LT(distance, 1e-4) << top_p;
  }
}

// --- rules
// ------------------------------------------------------------------------------------------------------------

TEST(Sampler, GreedyTakesTheLowestIdOfEquals) {
  SamplingParams params;
  params.temperature = 0;
  OwnSampler sampler(params, 5);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3, 3}, {}).token, 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-kInf, -kInf, -4, -kInf, -4}, {}).token, 2);
}

TEST(Sampler, TopKKeepsTheLowestIdsOfEquals) {
  SamplingParams params;
  params.top_k = 2;
  OwnSampler sampler(params, 6);
  const auto distribution = sampler.to_distribution(std::vector<float>{0, 1, 1, 1, 1, 0}, {});
  ASSERT_EQ(distribution.size(), 2U);
  EXPECT_EQ(distribution[0].token, 1);
  EXPECT_EQ(distribution[1].token, 2);
  EXPECT_FLOAT_EQ(distribution[0].probability, 0.5F);
}

TEST(Sampler, TopPKeepsTheTokenThatCrossesTheMass) {
  SamplingParams params;
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.15F), std::log(0.05F)};
  const auto kept = [&](float top_p) {
    params.top_p = top_p;
    OwnSampler sampler(params, logits.size());
    return sampler.to_distribution(logits, {}).size();
  };
  EXPECT_EQ(kept(0.0F), 1U);
  EXPECT_EQ(kept(0.49F), 1U);
  EXPECT_EQ(kept(0.51F), 2U);
  EXPECT_EQ(kept(0.79F), 2U);
  EXPECT_EQ(kept(0.81F), 3U);
  EXPECT_EQ(kept(0.96F), 4U);
  EXPECT_EQ(kept(1.0F), 4U);
}

TEST(Sampler, ForbiddenTokensHaveNoProbability) {
  SamplingParams params;
  OwnSampler sampler(params, 4);
  const auto distribution = sampler.to_distribution(std::vector<float>{-kInf, 0, -kInf, 0}, {});
  ASSERT_EQ(distribution.size(), 2U);
  EXPECT_EQ(distribution[0].token, 1);
  EXPECT_EQ(distribution[1].token, 3);
}

TEST(Sampler, ATinyTemperatureIsGreedyAndFinite) {
  SamplingParams params;
  params.temperature = 1e-30F;
  params.top_p = 0.95F;
  params.typical_p = 0.5F;
  OwnSampler sampler(params, 3);
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 2, 1.9999F}, {}).token, 1);
}

TEST(Sampler, PenaltiesExactly) {
  SamplingParams params;
  params.temperature = 1;
  params.repeat_penalty = 2;
  params.presence_penalty = 0.5F;
  params.frequency_penalty = 0.25F;
  params.repeat_last_n = 4;
  params.logit_bias = {{3, 1.0F}};
  // Token 0 twice in the window, 1 once, 2 only before the window, 3 never.
  const Tokens history = {2, 2, 0, 1, 0, 9};
  const std::vector<float> logits = {4, -1, 1, 0, 0, 0, 0, 0, 0, 0};
  // 4/2 - 2*0.25 - 0.5 = 1; -1*2 - 0.25 - 0.5 = -2.75; 1; 0 + 1 = 1; token 9: 0*2 - 0.75
  const std::vector<float> wanted = {1, -2.75F, 1, 1, 0, 0, 0, 0, 0, -0.75F};
  OwnSampler sampler(params, logits.size());
  OwnSampler plain(SamplingParams{}, logits.size());
  const auto got = dense(sampler.to_distribution(logits, history), logits.size());
  expect_near(got, dense(plain.to_distribution(wanted, {}), logits.size()), 1e-6);
}

TEST(Sampler, PresenceAndFrequencyPenaltyCountGeneratedTokensOnly) {
  SamplingParams params;
  params.repeat_penalty = 2;
  params.presence_penalty = 0.5F;
  params.frequency_penalty = 0.25F;
  params.repeat_last_n = 4;
  const Tokens history = {3, 0, 1, 1, 2, 1};  // four of the prompt: token 1 is there and was generated once
  const std::vector<float> logits = {4, 4, 4, 4};
  const std::vector<float> wanted = {4, 2 - 0.75F, 2 - 0.75F, 4};  // 0 and 3 are out of the window
  OwnSampler sampler(params, logits.size(), 4);
  OwnSampler plain(SamplingParams{}, logits.size());
  expect_near(dense(sampler.to_distribution(logits, history), 4), dense(plain.to_distribution(wanted, {}), 4), 1e-6);

  OwnSampler nothing_yet(params, logits.size(), history.size());
  const std::vector<float> repeats_alone = {4, 2, 2, 4};
  expect_near(dense(nothing_yet.to_distribution(logits, history), 4),
              dense(plain.to_distribution(repeats_alone, {}), 4), 1e-6);
}

TEST(Sampler, DryExactly) {
  SamplingParams params;
  params.dry.multiplier = 0.8F;
  params.dry.base = 1.75F;
  params.dry.allowed_length = 2;
  // "1 2 3 4 … 1 2 3": 4 would make a repeat of length 3: 0.8 * 1.75^1. "2 3 5" earlier: 5 follows a repeat of
  // length 2.
  const Tokens history = {1, 2, 3, 4, 2, 3, 5, 1, 2, 3};
  std::vector<float> wanted(8, 0.0F);
  wanted[4] = -0.8F * 1.75F;
  wanted[5] = -0.8F;
  const std::vector<float> logits(8, 0.0F);
  OwnSampler sampler(params, 8);
  OwnSampler plain(SamplingParams{}, 8);
  expect_near(dense(sampler.to_distribution(logits, history), 8), dense(plain.to_distribution(wanted, {}), 8), 1e-6);

  params.dry.breakers = {2};  // the repeat is now only "3", shorter than allowed
  OwnSampler broken(params, 8);
  expect_near(dense(broken.to_distribution(logits, history), 8), std::vector<double>(8, 0.125), 1e-6);

  params.dry.breakers = {4};  // never penalized itself
  wanted[4] = 0;
  OwnSampler spared(params, 8);
  expect_near(dense(spared.to_distribution(logits, history), 8), dense(plain.to_distribution(wanted, {}), 8), 1e-6);
}

TEST(Sampler, DryStaysFiniteOnLongLoops) {
  SamplingParams params;
  params.temperature = 0;
  params.dry.multiplier = 1;
  OwnSampler sampler(params, 3);
  EXPECT_EQ(sampler.sample(std::vector<float>{0, 9, 0}, Tokens(5000, 1)).token, 0);
}

TEST(Sampler, LogprobsAreOfTheModelsDistribution) {
  SamplingParams params;
  params.temperature = 0.1F;
  params.top_k = 1;
  params.logit_bias = {{2, 50.0F}};
  params.logprobs = true;
  params.top_logprobs = 3;
  OwnSampler sampler(params, 4);
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.2F), -kInf};
  const Sampled sampled = sampler.sample(logits, {});
  EXPECT_EQ(sampled.token, 2);
  EXPECT_NEAR(sampled.logprob, std::log(0.2), 1e-6);
  ASSERT_EQ(sampled.top.size(), 3U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sampled.top[static_cast<std::size_t>(i)].token, i);
    EXPECT_NEAR(sampled.top[static_cast<std::size_t>(i)].logprob, logits[static_cast<std::size_t>(i)], 1e-6);
  }
  params.top_logprobs = 4;  // the forbidden one is not an alternative
  EXPECT_EQ(OwnSampler(params, 4).sample(logits, {}).top.size(), 3U);
  params.logprobs = false;
  params.top_logprobs = 0;
  EXPECT_TRUE(OwnSampler(params, 4).sample(logits, {}).top.empty());
}

TEST(Sampler, BrokenLogitsAreInternalErrors) {
  for (const float temperature : {0.0F, 1.0F}) {
    SamplingParams params;
    params.temperature = temperature;
    OwnSampler sampler(params, 3);
    for (const std::vector<float>& logits : {std::vector<float>{0, std::nanf(""), 1},
                                             {std::nanf(""), 0, 1},
                                             {0, kInf, 1},
                                             {-kInf, -kInf, -kInf},
                                             {0, 1}}) {
      try {
        sampler.sample(logits, {});
        ADD_FAILURE() << "nothing was thrown";
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::internal) << error.what();
      }
    }
  }
}

TEST(Sampler, TokenIdsMustBeInTheVocabulary) {
  SamplingParams params;
  params.logit_bias = {{10, 1.0F}};
  EXPECT_THROW(Sampler(params, 10), Error);
  params.logit_bias = {{-1, 1.0F}};
  EXPECT_THROW(Sampler(params, 10), Error);
  params.logit_bias.clear();
  params.dry.breakers = {10};
  EXPECT_THROW(Sampler(params, 10), Error);
}

TEST(Sampler, LeavesTheLogitsAlone) {
  SamplingParams params;
  params.repeat_penalty = 3;
  const std::vector<float> logits = {1, 2, 3};
  std::vector<float> copy = logits;
  OwnSampler(params, 3).sample(copy, Tokens{2, 2});
  EXPECT_EQ(copy, logits);
}

// --- chance
// -----------------------------------------------------------------------------------------------------------

TEST(Sampler, SameSeedSameTokens) {
  Random random(3);
  const std::vector<float> logits = random_logits(random, 500, 1.0);
  SamplingParams params;
  const auto draw = [&](std::uint64_t seed) {
    params.seed = seed;
    OwnSampler sampler(params, logits.size());
    Tokens history;
    for (int i = 0; i < 200; ++i) history.push_back(sampler.sample(logits, history).token);
    return history;
  };
  EXPECT_EQ(draw(42), draw(42));
  EXPECT_NE(draw(42), draw(43));
  EXPECT_NE(draw(0), draw(1));
}

// By definition: the first of an exponential race over the distribution. sample() finds it without making that.
TEST(Sampler, DrawsTheFirstOfARace) {
  Random random(21);
  for (int round = 0; round < 3000; ++round) {
    const int vocab = 2 + random.below(random.coin(0.1) ? 1500 : 40);
    SamplingParams params = random_params(random, vocab);
    params.seed = static_cast<std::uint64_t>(round);
    std::vector<float> logits = random_logits(random, static_cast<std::size_t>(vocab), 0.2 + 3 * random.uniform());
    if (random.coin(0.3)) {
      for (float& logit : logits) logit = std::round(logit);  // equal ones
    }
    const Tokens history = random_history(random, random.below(60), vocab);
    OwnSampler sampler(params, logits.size());
    const std::vector<TokenProbability> distribution = sampler.to_distribution(logits, history);
    const TokenId chosen = sampler.sample(logits, history).token;
    double first = std::numeric_limits<double>::infinity(), chosen_time = first;
    for (const auto& [token, p] : distribution) {
      const double time = -std::log1p(-sampler.uniform(history.size(), token)) / static_cast<double>(p);
      first = std::min(first, time);
      if (token == chosen) chosen_time = time;
    }
    ASSERT_LE(chosen_time, first * (1 + 1e-5)) << "round " << round;
  }
}

TEST(Sampler, TheNumbersOfASeedAreFixed) {  // pinned: a change would change every seeded text
  SamplingParams params;
  params.seed = 42;
  const Sampler sampler(params, 2);
  EXPECT_DOUBLE_EQ(sampler.uniform(0, 0), 0.3869742762400409);
  EXPECT_DOUBLE_EQ(sampler.uniform(1, 0), 0.577125795355946);
  EXPECT_DOUBLE_EQ(sampler.uniform(1, 1), 0.06969124082968703);
}

TEST(Sampler, APositionSampledAgainGivesTheSameToken) {
  Random random(4);
  const std::vector<float> logits = random_logits(random, 100, 1.0);
  SamplingParams params;
  params.seed = 5;
  OwnSampler sampler(params, logits.size());
  const Tokens history = {1, 2, 3};
  const TokenId first = sampler.sample(logits, history).token;
  sampler.sample(logits, Tokens{1, 2, 3, 4, 5});
  EXPECT_EQ(sampler.sample(logits, history).token, first);
}

TEST(Sampler, UnseededSamplersDiffer) {
  EXPECT_NE(Sampler(SamplingParams{}, 2).seed(), Sampler(SamplingParams{}, 2).seed());
}

// Pearson's statistic for `counts` against `expected`, as a number of standard deviations (Wilson-Hilferty).
double chi_squared_deviations(const std::vector<double>& counts, const std::vector<double>& expected) {
  double statistic = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) statistic += std::pow(counts[i] - expected[i], 2) / expected[i];
  const double k = static_cast<double>(counts.size() - 1);
  return (std::cbrt(statistic / k) - (1 - 2 / (9 * k))) / std::sqrt(2 / (9 * k));
}

TEST(Sampler, DrawsFollowTheDistribution) {
  Random random(6);
  const std::vector<float> logits = random_logits(random, 40, 1.0);
  SamplingParams params;
  params.temperature = 0.8F;
  params.top_p = 0.9F;
  const std::vector<double> p = oracle(params, logits, {});
  constexpr int kDraws = 100000;
  for (const std::uint64_t seed : {0U, 1U, 2U, 77U}) {
    params.seed = seed;
    OwnSampler sampler(params, logits.size());
    std::vector<double> counts(logits.size(), 0.0);
    Tokens history;
    for (int i = 0; i < kDraws; ++i) {
      counts[static_cast<std::size_t>(sampler.sample(logits, history).token)] += 1;
      history.push_back(0);
    }
    std::vector<double> seen;
    std::vector<double> expected;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] == 0) {
        EXPECT_EQ(counts[i], 0) << "a filtered token was drawn";
      } else {
        seen.push_back(counts[i]);
        expected.push_back(kDraws * p[i]);
      }
    }
    EXPECT_LT(std::abs(chi_squared_deviations(seen, expected)), 4) << "seed " << seed;
  }
}

// What a draft lives on: with the same numbers, two distributions with a distance d choose the same token in (1 - d) /
// (1 + d) of the positions or more.
TEST(Sampler, SimilarDistributionsChooseTheSameToken) {
  constexpr int kPositions = 20000;
  Random random(12);
  SamplingParams params;
  params.seed = 3;
  for (const double noise : {0.0, 0.1, 0.5, 2.0}) {
    std::vector<float> logits = random_logits(random, 60, 1.0), guessed = logits;
    for (float& logit : guessed) logit += static_cast<float>(noise * random.normal());
    const std::vector<double> p = oracle(params, logits, {}), q = oracle(params, guessed, {});
    double distance = 0;
    for (std::size_t i = 0; i < p.size(); ++i) distance += std::abs(p[i] - q[i]) / 2;
    OwnSampler model(params, logits.size()), drafter(params, logits.size());
    Tokens history;
    int same = 0;
    for (int i = 0; i < kPositions; ++i) {
      if (model.sample(logits, history).token == drafter.choose(guessed, history)) ++same;
      history.push_back(0);
    }
    const double share = static_cast<double>(same) / kPositions;
    EXPECT_GE(share, (1 - distance) / (1 + distance) - 0.015) << "distance " << distance;
    EXPECT_LE(share, 1 - distance + 0.015) << "no coupling can be better";
  }
}

TEST(Sampler, UniformIsUniformAcrossSeedsPositionsAndTokens) {
  constexpr int kBins = 64;
  constexpr int kCount = 200000;
  const std::vector<double> expected(kBins, static_cast<double>(kCount) / kBins);
  const auto deviations = [&](auto&& value) {
    std::vector<double> counts(kBins, 0.0);
    for (int i = 0; i < kCount; ++i) {
      const double u = value(i);
      EXPECT_GE(u, 0);
      EXPECT_LT(u, 1);
      counts[static_cast<std::size_t>(u * kBins)] += 1;
    }
    return std::abs(chi_squared_deviations(counts, expected));
  };
  SamplingParams params;
  params.seed = 9;
  const Sampler sampler(params, 2);
  EXPECT_LT(deviations([&](int i) { return sampler.uniform(static_cast<std::size_t>(i), 0); }), 4);
  EXPECT_LT(deviations([&](int i) { return sampler.uniform(5, i); }), 4);
  EXPECT_LT(deviations([&](int i) {
              SamplingParams other;
              other.seed = static_cast<std::uint64_t>(i);
              return Sampler(other, 2).uniform(3, 1);
            }),
            4);
  // Neighbours are independent: the pairs of positions and those of tokens fill the square evenly.
  const auto pair = [](double a, double b) { return (std::floor(a * 8) * 8 + std::floor(b * 8) + 0.5) / kBins; };
  EXPECT_LT(deviations([&](int i) {
              const auto position = static_cast<std::size_t>(i);
              return pair(sampler.uniform(position, 0), sampler.uniform(position + 1, 0));
            }),
            4);
  EXPECT_LT(deviations([&](int i) { return pair(sampler.uniform(7, i), sampler.uniform(7, i + 1)); }), 4);
}

TEST(Sampler, IsQuickOnTheWholeVocabulary) {  // a guard against a full sort at every token, not a benchmark
  Random random(8);
  const std::vector<float> logits = random_logits(random, 154880, 3.0);  // a nucleus of many thousands: the worst case
  SamplingParams params;
  params.top_p = 0.95F;
  OwnSampler sampler(params, logits.size());
  sampler.sample(logits, {});
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < 20; ++i) sampler.sample(logits, Tokens(i, 0));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  RecordProperty("milliseconds_a_token", std::to_string(took.count() / 20));
  EXPECT_LT(took.count() / 20, 100);
}

}  // namespace
}  // namespace glimt
