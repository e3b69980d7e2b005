#include "measure/divergence.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace glimt {
namespace {

PerplexityReport report_of(const WindowedMean& loss) { return {loss.count(), loss.windows(), loss.estimate()}; }

struct DivergenceSums {
  WindowedMean reference, model, increase, divergence, same_best;
  std::vector<double> divergences;

  void add(const LogitsRow& p, const LogitsRow& q, TokenId token) {
    const double p_loss = p.loss(token), q_loss = q.loss(token);
    reference.add(p_loss);
    model.add(q_loss);
    increase.add(q_loss - p_loss);
    divergences.push_back(p.divergence(q));
    divergence.add(divergences.back());
    same_best.add(p.best() == q.best() ? 1 : 0);
  }

  void end_window() {
    for (WindowedMean* mean : {&reference, &model, &increase, &divergence, &same_best}) mean->end_window();
  }

  DivergenceReport report() {
    std::sort(divergences.begin(), divergences.end());
    return {report_of(reference),  report_of(model),           increase.estimate(),
            divergence.estimate(), quantile(divergences, 0.5), quantile(divergences, 0.99),
            divergences.back(),    same_best.estimate()};
  }
};

}  // namespace

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
  DivergenceSums sums;
  pass_text({reference, folder}, text, options,
            {[&](std::span<const LogitsRow> rows, TokenId token) { sums.add(rows[0], rows[1], token); },
             [&] { sums.end_window(); }, progress});
  return sums.report();
}

}  // namespace glimt
