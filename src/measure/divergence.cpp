#include "measure/divergence.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace glimt {
namespace {

PerplexityReport report_of(const WindowedMean& loss) { return {loss.count(), loss.windows(), loss.estimate()}; }

}  // namespace

void DivergenceMeter::add(const LogitsRow& reference, const LogitsRow& model, TokenId token) {
  const double reference_loss = reference.loss(token), model_loss = model.loss(token);
  reference_.add(reference_loss);
  model_.add(model_loss);
  increase_.add(model_loss - reference_loss);
  divergences_.push_back(reference.divergence(model));
  divergence_.add(divergences_.back());
  same_best_.add(reference.best() == model.best() ? 1 : 0);
}

void DivergenceMeter::end_window() {
  for (WindowedMean* mean : {&reference_, &model_, &increase_, &divergence_, &same_best_}) mean->end_window();
}

DivergenceReport DivergenceMeter::report() {
  std::sort(divergences_.begin(), divergences_.end());
  return {report_of(reference_),  report_of(model_),           increase_.estimate(),
          divergence_.estimate(), quantile(divergences_, 0.5), quantile(divergences_, 0.99),
          divergences_.back(),    same_best_.estimate()};
}

Estimate perplexity_of(const Estimate& loss) {
  const double value = std::exp(loss.value);
  return {value, loss.error ? std::optional(value * *loss.error) : std::nullopt};
}

PerplexityReport measure_perplexity(const std::filesystem::path& folder, std::span<const TokenId> text,
                                    const TextPassOptions& options, const PassProgress& progress) {
  WindowedMean loss;
  pass_text({folder}, text, options,
            {[&](std::span<const LogitsRow> rows, TokenId token) { loss.add(rows[0].loss(token)); },
             [&] { loss.end_window(); }, progress});
  return report_of(loss);
}

DivergenceReport measure_divergence(const std::filesystem::path& reference, const std::filesystem::path& folder,
                                    std::span<const TokenId> text, const TextPassOptions& options,
                                    const PassProgress& progress) {
  DivergenceMeter sums;
  pass_text({reference, folder}, text, options,
            {[&](std::span<const LogitsRow> rows, TokenId token) { sums.add(rows[0], rows[1], token); },
             [&] { sums.end_window(); }, progress});
  return sums.report();
}

}  // namespace glimt
