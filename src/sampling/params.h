// What a caller may ask of the sampler. Every field is a plain value; validate() says which one is impossible.
#pragma once

#include "base/token.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <vector>

namespace glimt {

// "Don't repeat yourself": a token that would extend a sequence already in the history is made less likely,
// exponentially in the length of the repeat (github.com/oobabooga/text-generation-webui, pull request 5677).
struct DryParams {
  float multiplier = 0;           // 0: off
  float base = 1.75F;             // >= 1
  int allowed_length = 2;         // repeats shorter than this are free
  int last_n = -1;                // how many tokens of history are searched; -1: all, 0: off
  std::vector<TokenId> breakers;  // a repeat is not followed across these tokens, and they are never penalized
};

// Applied in this order: logit_bias, repeat_penalty, frequency and presence penalty, DRY, temperature, top_k, top_p,
// min_p, typical_p. Each filter sees the renormalized distribution that the one before it left, as in Hugging Face.
struct SamplingParams {
  float temperature = 1;        // 0: greedy
  int top_k = 0;                // 0: off
  float top_p = 1;              // 1: off; 0 keeps the likeliest token
  float min_p = 0;              // 0: off; relative to the likeliest token
  float typical_p = 1;          // 1: off; > 0
  float repeat_penalty = 1;     // 1: off; divides positive logits of tokens in the window, multiplies negative ones
  float presence_penalty = 0;   // subtracted once from the logit of every generated token in the window
  float frequency_penalty = 0;  // subtracted once for each time that a token was generated in the window
  int repeat_last_n = 64;       // the window of these three penalties, in tokens; -1: the whole history, 0: off
  DryParams dry;
  std::map<TokenId, float> logit_bias;
  std::optional<std::uint64_t> seed;  // unset: drawn from the system
  bool logprobs = false;              // fill Sampled::logprob
  int top_logprobs = 0;               // and this many alternatives; wants logprobs

  // Limits of the lists, which a request pays for in memory and time: far beyond any use.
  static constexpr std::size_t kMaxLogitBias = 4096, kMaxDryBreakers = std::size_t{1} << 18;

  // Throws invalid_request, "field: must be …, got …". Token ids are checked by Sampler, which knows the vocabulary.
  void validate() const;

  // The defaults that `folder`/generation_config.json gives; what it does not say (or a folder without one) is the
  // vendor's advice for GLM-4.7-Flash: temperature 1.0, top_p 0.95. "do_sample": false means greedy.
  // Throws bad_file when the file is there and a field is wrong.
  static SamplingParams from_generation_config(const std::filesystem::path& folder);
};

}  // namespace glimt
