// One sequence at a time: prefill in chunks, then one token a step. Owns the model and its caches.
#pragma once

#include "base/token.h"
#include "model/causal_lm.h"
#include "sampling/sampler.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

struct GeneratorOptions {
  int threads = 0;          // 0: all that the process may run on
  bool exact = false;       // LoadOptions::exact
  std::size_t context = 0;  // most tokens of prompt and answer together; 0: what the model allows
};

struct GenerationRequest {
  std::vector<TokenId> prompt;  // not empty
  SamplingParams sampling;
  std::size_t max_tokens = 0;  // 0: as many as the context holds
  std::vector<TokenId> eos;    // end the answer; not reported as tokens
  std::size_t prefill_chunk = 512;
  bool measure_drafts = false;  // let the MTP layer guess along and count how often it is right
};

struct TokenEvent {
  TokenId token;
  float logprob;  // as Sampled
  std::vector<TokenLogprob> top;
};

enum class FinishReason { stop, length, cancelled };

struct GenerationStats {
  std::size_t prompt_tokens = 0;
  std::size_t reused_tokens = 0;     // of the prompt, found in the cache
  std::size_t generated_tokens = 0;  // an end token included
  std::size_t drafted = 0;           // guesses of the MTP layer that could be checked
  std::size_t accepted = 0;          // those equal to the token that the model then chose
  double prefill_seconds = 0;
  double decode_seconds = 0;
};

struct GenerationResult {
  FinishReason reason = FinishReason::stop;
  GenerationStats stats;
};

// Not thread-safe: load and use it on one thread (MLX's streams belong to the thread that made them).
class Generator {
 public:
  using PrefillCallback = std::function<bool(std::size_t done, std::size_t total)>;  // false: cancel
  using TokenCallback = std::function<bool(const TokenEvent&)>;                      // false: stop after this token

  // Throws what load_model throws, and bad_file for a broken generation_config.json.
  static std::unique_ptr<Generator> load(const std::filesystem::path& folder, const GeneratorOptions& options);
  Generator(std::unique_ptr<CausalLm> model, const GeneratorOptions& options);

  // The longest common prefix with the previous request's tokens is not computed again. A stop by on_token is
  // FinishReason::stop. Throws invalid_request for a prompt that is empty, has tokens outside the vocabulary, or does
  // not fit the context; internal for NaN or infinite logits. After an error the generator can be used again.
  GenerationResult generate(const GenerationRequest& request, const PrefillCallback& on_prefill,
                            const TokenCallback& on_token);

  std::size_t max_context() const { return context_; }
  std::size_t vocab_size() const { return static_cast<std::size_t>(model_->config().vocab_size); }
  bool has_mtp() const { return model_->has_mtp(); }
  const std::vector<TokenId>& eos_tokens() const { return eos_; }  // of config.json and generation_config.json
  const CausalLm& model() const { return *model_; }
  std::size_t weight_bytes() const { return weight_bytes_; }
  std::size_t cache_bytes() const;  // held now

 private:
  void check(const GenerationRequest& request) const;
  std::size_t reuse_prefix(const GenerationRequest& request);
  // Runs the tokens through trunk (and MTP layer, if its cache follows along) -> hidden states of the last position.
  mx::array advance(std::span<const TokenId> tokens, bool with_mtp);
  std::span<const float> logits_of(const mx::array& hidden);
  TokenId draft_next(TokenId token);
  void forget();

  std::unique_ptr<CausalLm> model_;
  std::size_t context_;
  std::size_t weight_bytes_ = 0;
  std::vector<TokenId> eos_;

  std::vector<TokenId> cached_;  // the tokens whose rows are in cache_
  std::optional<UniformCache> cache_;
  std::optional<UniformCache> mtp_cache_;  // row i has read the hidden state at i and token i + 1
  std::optional<mx::array> last_hidden_;   // [1, hidden] at the last cached position
  std::optional<mx::array> logits_;        // keeps what logits_of returned alive
};

}  // namespace glimt
