#include "engine/mean_pool.h"

#include "base/error.h"

#include <cmath>

namespace glimt {

void MeanPool::add(std::span<const float> rows, std::size_t width) {
  sums_.resize(width);
  for (; !rows.empty(); rows = rows.subspan(width)) {
    for (std::size_t i = 0; i < width; ++i) sums_[i] += static_cast<double>(rows[i]);
  }
}

std::vector<float> MeanPool::normalized() const {
  double square = 0;
  for (const double sum : sums_) square += sum * sum;
  const double length = std::sqrt(square);
  if (!std::isfinite(length) || length == 0) fail(ErrorKind::internal, "model", "hidden states are NaN or infinite");
  std::vector<float> vector(sums_.size());
  for (std::size_t i = 0; i < vector.size(); ++i) vector[i] = static_cast<float>(sums_[i] / length);
  return vector;
}

}  // namespace glimt
