// What choosing one token costs, at GLM-4.7-Flash's vocabulary: for each kind of settings and each shape of logits, one
// sequence, one thread. `likely` tells how many tokens the nucleus of 95 % holds.
#include "sampling/sampler.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kVocab = 154880;
constexpr std::size_t kHistory = 200'000;  // tokens, of which the last quarter is generated

// Normal logits. A spread of 1 is flat as no model's are, 3 has a nucleus of some ten thousand; `peaks` tokens stand
// out as those of a trained model do.
struct Shape {
  const char* name;
  float spread;
  int peaks;
};
constexpr Shape kShapes[] = {{"trained", 2, 20}, {"spread3", 3, 0}, {"spread1", 1, 0}};

std::vector<float> logits_of(const Shape& shape) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, shape.spread);
  std::vector<float> logits(kVocab);
  for (float& logit : logits) logit = normal(random);
  for (int i = 0; i < shape.peaks; ++i) logits[random() % kVocab] = 18 - 0.5F * static_cast<float>(i);
  return logits;
}

std::vector<TokenId> history() {
  std::mt19937 random(2);
  std::vector<TokenId> tokens(kHistory);
  for (std::size_t i = 0; i < kHistory; ++i) {
    tokens[i] = i > 400 && random() % 8 != 0 ? tokens[i - 400] : static_cast<TokenId>(random() % kVocab);
  }
  return tokens;
}

struct Case {
  const char* name;
  void (*set)(SamplingParams&);
};
const Case kCases[] = {
    {"greedy", [](SamplingParams& p) { p.temperature = 0; }},
    {"default", [](SamplingParams& p) { p.top_p = 0.95F; }},
    {"unfiltered", [](SamplingParams&) {}},
    {"top_k40", [](SamplingParams& p) { p.top_k = 40; }},
    {"top_k40+top_p+min_p",
     [](SamplingParams& p) {
       p.top_k = 40;
       p.top_p = 0.9F;
       p.min_p = 0.05F;
     }},
    {"min_p", [](SamplingParams& p) { p.min_p = 0.05F; }},
    {"typical", [](SamplingParams& p) { p.typical_p = 0.9F; }},
    {"default+logprobs100",
     [](SamplingParams& p) {
       p.top_p = 0.95F;
       p.logprobs = true;
       p.top_logprobs = 100;
     }},
    {"default+penalties64",
     [](SamplingParams& p) {
       p.top_p = 0.95F;
       p.repeat_penalty = 1.1F;
       p.presence_penalty = 0.5F;
     }},
    {"default+penalties200k",
     [](SamplingParams& p) {
       p.top_p = 0.95F;
       p.repeat_penalty = 1.1F;
       p.presence_penalty = 0.5F;
       p.repeat_last_n = -1;
     }},
    {"default+dry200k",
     [](SamplingParams& p) {
       p.top_p = 0.95F;
       p.dry.multiplier = 0.8F;
     }},
    {"everything",
     [](SamplingParams& p) {
       p.top_p = 0.95F;
       p.typical_p = 0.9F;
       p.repeat_penalty = 1.1F;
       p.frequency_penalty = 0.1F;
       p.repeat_last_n = -1;
       p.dry.multiplier = 0.8F;
       for (TokenId token = 0; token < static_cast<TokenId>(kVocab); ++token) p.dry.breakers.push_back(token);
       p.logprobs = true;
       p.top_logprobs = 100;
     }},
};

void sample(benchmark::State& state, const Case& settings, const Shape& shape) {
  SamplingParams params;
  params.seed = 1;
  settings.set(params);
  const Sampler sampler(params, kVocab);
  SamplerScratch scratch;
  const std::vector<float> logits = logits_of(shape);
  const std::vector<TokenId> tokens = history();
  std::size_t position = 0;
  for (auto _ : state) {
    const std::span<const TokenId> so_far = std::span(tokens).first(kHistory - position++ % 100);
    benchmark::DoNotOptimize(sampler.sample(logits, so_far, scratch).token);
  }
}

}  // namespace
}  // namespace glimt

int main(int argc, char** argv) {
  for (const auto& settings : glimt::kCases) {
    for (const auto& shape : glimt::kShapes) {
      const std::string name = fmt::format("{}/{}", settings.name, shape.name);
      benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State& state) {
        glimt::sample(state, settings, shape);
      })->Unit(benchmark::kMillisecond);
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
