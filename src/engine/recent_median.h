// The middle of the last measurements of a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

namespace glimt {

// Unlike a mean it does not move when fewer than half of the last kWindow were disturbed, as times are on a machine that
// has other work.
template <std::size_t kWindow>
class RecentMedian {
 public:
  void add(double value) { values_[count_++ % kWindow] = value; }
  std::size_t count() const { return count_; }  // of all that were added

  // 0 before the first.
  double get() const {
    const std::size_t n = std::min(count_, kWindow);
    if (n == 0) return 0;
    auto sorted = values_;
    const auto middle = sorted.begin() + static_cast<std::ptrdiff_t>((n - 1) / 2);
    std::nth_element(sorted.begin(), middle, sorted.begin() + static_cast<std::ptrdiff_t>(n));
    return *middle;
  }

 private:
  std::array<double, kWindow> values_{};
  std::size_t count_ = 0;
};

}  // namespace glimt
