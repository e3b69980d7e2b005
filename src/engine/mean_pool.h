// The vector of a text: the mean of its tokens' hidden states, made one long.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace glimt {

// Sums in double precision and in the order of the rows, so that a text gives the same numbers however it is cut into
// steps.
class MeanPool {
 public:
  // rows [count, width]; the width is the same each time.
  void add(std::span<const float> rows, std::size_t width);

  // The mean divided by its length. Throws internal if it is not finite or nothing.
  std::vector<float> normalized() const;

  void clear() { sums_.clear(); }

 private:
  std::vector<double> sums_;  // the mean has the same direction
};

}  // namespace glimt
