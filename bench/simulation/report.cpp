#include "simulation/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace glimt::simulation {

double percentile(std::vector<float>& values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  return values[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

Percentiles percentiles(std::vector<float>& values) {
  return {percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99)};
}

std::string json_line(const Report& r) {
  return fmt::format(
      R"({{"replicas": {}, "requests": {}, "answered": {}, "rejected": {}, "first_token": [{:.3f}, {:.3f}, {:.3f}], )"
      R"("between": [{:.4f}, {:.4f}, {:.4f}], "hit_rate": {:.4f}, "busy": {:.3f}, "busiest": {:.3f}, )"
      R"("memory": {:.4g}, "tokens_a_second": {:.4g}, "preemptions": {}}})",
      r.replicas, r.requests, r.answered, r.rejected, r.first_token.p50, r.first_token.p95, r.first_token.p99,
      r.between.p50, r.between.p95, r.between.p99, r.hit_rate, r.busy, r.busiest, r.memory, r.tokens_a_second,
      r.preemptions);
}

std::string table_head() {
  return fmt::format(
      "{:>8} {:>8} {:>8} | first token, s {:>11} | between tokens, ms {:>5} | {:>6} {:>6} {:>7} {:>9} {:>9}\n"
      "{:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} | {:>7} {:>7} {:>8} |",
      "replicas", "requests", "rejected", "", "", "hits", "busy", "busiest", "cache", "tokens/s", "", "", "", "p50",
      "p95", "p99", "p50", "p95", "p99");
}

std::string table_row(const Report& r) {
  return fmt::format(
      "{:>8} {:>8} {:>8} | {:>8.2f} {:>8.2f} {:>8.2f} | {:>7.0f} {:>7.0f} {:>8.0f} | {:>4.1f} % {:>4.0f} % {:>5.0f} % "
      "{:>6.2f} GB {:>9.1f}",
      r.replicas, r.requests, r.rejected, r.first_token.p50, r.first_token.p95, r.first_token.p99, 1000 * r.between.p50,
      1000 * r.between.p95, 1000 * r.between.p99, 100 * r.hit_rate, 100 * r.busy, 100 * r.busiest, r.memory / 1e9,
      r.tokens_a_second);
}

}  // namespace glimt::simulation
