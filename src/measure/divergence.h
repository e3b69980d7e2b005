// How well a model predicts a text, and how far it is from another model: perplexity and Kullback-Leibler divergence.
// docs/MODELS.md explains the numbers to users.
#pragma once

#include "measure/logits_row.h"
#include "measure/statistics.h"
#include "measure/text_pass.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

using PassProgress = std::function<void(std::size_t done, std::size_t total)>;

// exp of the mean loss. Its error is the loss' times itself (delta method).
Estimate perplexity_of(const Estimate& loss);

struct PerplexityReport {
  std::size_t tokens = 0;  // that were predicted
  std::size_t windows = 0;
  Estimate loss;  // -log of the token's probability, nats, mean over the tokens
};

// Of the model in `folder`. Throws what pass_text throws.
PerplexityReport measure_perplexity(const std::filesystem::path& folder, std::span<const TokenId> text,
                                    const TextPassOptions& options, const PassProgress& progress = {});

struct DivergenceReport {
  PerplexityReport reference, model;
  Estimate loss_increase;  // the model's loss less the reference's, token by token
  Estimate divergence;     // from the reference's distribution to the model's, nats, mean over the tokens
  double median = 0, p99 = 0, largest = 0;  // of the tokens' divergences
  Estimate same_best;                       // share of tokens for which both find the same token most probable
};

// Gathers the report token by token. Used by one thread.
class DivergenceMeter {
 public:
  void add(const LogitsRow& reference, const LogitsRow& model, TokenId token);
  void end_window();
  DivergenceReport report();  // REQUIRES a token

 private:
  WindowedMean reference_, model_, increase_, divergence_, same_best_;
  std::vector<double> divergences_;
};

DivergenceReport measure_divergence(const std::filesystem::path& reference, const std::filesystem::path& folder,
                                    std::span<const TokenId> text, const TextPassOptions& options,
                                    const PassProgress& progress = {});

}  // namespace glimt
