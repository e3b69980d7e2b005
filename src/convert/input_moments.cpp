#include "convert/input_moments.h"

#include <algorithm>
#include <numeric>

namespace glimt::convert {

void InputMoments::add(std::string_view matrix, std::size_t index, std::size_t rows, std::span<const float> squares) {
  Sums& sums = sums_[std::string(matrix)][index];
  sums.rows += rows;
  sums.squares.resize(squares.size());
  for (std::size_t c = 0; c < squares.size(); ++c) sums.squares[c] += static_cast<double>(squares[c]);
}

Importance InputMoments::importance_of(std::string_view matrix, std::size_t count) const {
  const auto found = sums_.find(matrix);
  if (found == sums_.end()) return {};
  const std::size_t columns = found->second.begin()->second.squares.size();
  std::vector<double> shared(columns);
  double rows = 0;
  for (const auto& [index, sums] : found->second) {
    rows += static_cast<double>(sums.rows);
    for (std::size_t c = 0; c < columns; ++c) shared[c] += sums.squares[c];
  }
  if (rows == 0) return {};
  for (double& mean : shared) mean /= rows;
  const double mean_square = std::accumulate(shared.begin(), shared.end(), 0.0) / static_cast<double>(columns);
  if (mean_square == 0) return {};
  Importance all{columns, std::vector<float>(count * columns)};
  for (std::size_t index = 0; index < count; ++index) {
    const auto own = found->second.find(index);
    for (std::size_t c = 0; c < columns; ++c) {
      const double squares = own == found->second.end() ? 0 : own->second.squares[c];
      const double own_rows = own == found->second.end() ? 0 : static_cast<double>(own->second.rows);
      const double mean = (squares + kSharedRows * shared[c]) / (own_rows + kSharedRows);
      all.values[index * columns + c] = static_cast<float>(std::max(mean / mean_square, kLeastShare));
    }
  }
  return all;
}

}  // namespace glimt::convert
