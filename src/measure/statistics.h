// Means over the tokens of a text, with standard errors that its structure allows.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace glimt {

struct Estimate {
  double value = 0;
  std::optional<double> error;  // standard error; none if there is only one window
};

// A mean over tokens that come in windows of text. Neighbouring tokens resemble each other, so the windows, and not the
// tokens, count as independent: the error is that of a ratio of sums over windows (Cochran, Sampling Techniques,
// section 6.4),
//   sqrt(W / (W - 1) · sum over windows (s - mean · n)²) / N
// where a window has n of the N tokens, and their values' sum is s. Not thread-safe.
class WindowedMean {
 public:
  void add(double value);
  void end_window();  // windows without a value do not count

  std::size_t count() const { return count_; }
  std::size_t windows() const { return windows_.size(); }
  Estimate estimate() const;  // REQUIRES count() > 0

 private:
  struct Sum {
    double sum = 0;
    std::size_t count = 0;
  };
  std::vector<Sum> windows_;
  Sum current_;
  std::size_t count_ = 0;
};

// The value that the share `q` (0 … 1) of `sorted` lies below, linear between neighbours, as numpy.quantile has it.
// REQUIRES ascending values, and one at least.
double quantile(std::span<const double> sorted, double q);

// Of values in any order. REQUIRES one at least.
double median(std::vector<double> values);

}  // namespace glimt
