#include "measure/statistics.h"

#include <algorithm>
#include <cmath>

namespace glimt {

void WindowedMean::add(double value) {
  current_.sum += value;
  ++current_.count;
}

void WindowedMean::end_window() {
  if (current_.count == 0) return;
  windows_.push_back(current_);
  count_ += current_.count;
  current_ = {};
}

Estimate WindowedMean::estimate() const {
  double total = 0;
  for (const Sum& window : windows_) total += window.sum;
  const auto n = static_cast<double>(count_), w = static_cast<double>(windows_.size());
  const double mean = total / n;
  if (windows_.size() < 2) return {mean, std::nullopt};
  double squares = 0;
  for (const Sum& window : windows_) {
    const double deviation = window.sum - mean * static_cast<double>(window.count);
    squares += deviation * deviation;
  }
  return {mean, std::sqrt(w / (w - 1) * squares) / n};
}

double quantile(std::span<const double> sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], at - static_cast<double>(below));
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

}  // namespace glimt
