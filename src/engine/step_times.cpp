#include "engine/step_times.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace glimt {
namespace {

using Row = std::array<double, 3>;  // of 1, rows, keys

int order_of(double value, int orders) {
  const auto whole = static_cast<unsigned>(std::clamp(value, 0.0, 1e9));
  return std::min(static_cast<int>(std::bit_width(whole)), orders - 1);
}

// Normal equations of least squares.
struct Equations {
  std::array<Row, 3> matrix{};
  Row target{};

  void add(const Row& row, double wanted) {
    for (std::size_t i = 0; i < 3; ++i) {
      for (std::size_t j = 0; j < 3; ++j) matrix[i][j] += row[i] * row[j];
      target[i] += row[i] * wanted;
    }
  }
};

// Gaussian elimination over the columns in use. The matrix is positive definite: a little was added to its diagonal.
Row solve(Equations e, const std::array<bool, 3>& used) {
  for (std::size_t i = 0; i < 3; ++i) {
    if (!used[i]) {
      e.matrix[i] = {};
      for (Row& row : e.matrix) row[i] = 0;
      e.matrix[i][i] = 1;
      e.target[i] = 0;
    }
  }
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = i + 1; k < 3; ++k) {
      const double factor = e.matrix[k][i] / e.matrix[i][i];
      for (std::size_t j = i; j < 3; ++j) e.matrix[k][j] -= factor * e.matrix[i][j];
      e.target[k] -= factor * e.target[i];
    }
  }
  Row x{};
  for (std::size_t i = 3; i-- > 0;) {
    double rest = e.target[i];
    for (std::size_t j = i + 1; j < 3; ++j) rest -= e.matrix[i][j] * x[j];
    x[i] = rest / e.matrix[i][i];
  }
  return x;
}

// Leaves out the most negative coefficient until none is.
Row solve_not_negative(const Equations& equations) {
  std::array<bool, 3> used{true, true, true};
  for (;;) {
    const Row x = solve(equations, used);
    const auto least = std::min_element(x.begin(), x.end());
    if (*least >= 0) return x;
    used[static_cast<std::size_t>(least - x.begin())] = false;
  }
}

}  // namespace

std::size_t StepTimes::key_order(const StepWork& work) {
  return static_cast<std::size_t>(order_of(work.keys / work.rows, kKeyOrders));
}

std::size_t StepTimes::row_order(const StepWork& work) {
  return static_cast<std::size_t>(order_of(work.rows, kRowOrders));
}

void StepTimes::record(const StepWork& work, double seconds) {
  if (work.rows <= 0 || !(seconds > 0)) return;
  const std::size_t order = key_order(work);
  Bucket& bucket = buckets_[order][row_order(work)];
  largest_[order] = std::max(largest_[order], work.rows);
  const double weight = bucket.seconds > 0 ? kWeight : 1;
  bucket.rows += weight * (work.rows - bucket.rows);
  bucket.keys += weight * (work.keys - bucket.keys);
  bucket.seconds += weight * (seconds - bucket.seconds);
  fit();
}

void StepTimes::fit() {
  std::array<Row, static_cast<std::size_t>(kRowOrders * kKeyOrders)> rows;
  std::size_t count = 0;
  Row scale{};
  for (const auto& order : buckets_) {
    for (const Bucket& bucket : order) {
      if (bucket.seconds == 0) continue;
      Row& row = rows[count++];
      row = {1 / bucket.seconds, bucket.rows / bucket.seconds, bucket.keys / bucket.seconds};
      for (std::size_t i = 0; i < 3; ++i) scale[i] = std::max(scale[i], row[i]);
    }
  }
  Equations equations;
  for (std::size_t n = 0; n < count; ++n) {
    equations.add({rows[n][0] / scale[0], rows[n][1] / scale[1], rows[n][2] / scale[2]}, 1);
  }
  for (std::size_t i = 0; i < 3; ++i) equations.matrix[i][i] += 1e-6;
  const Row x = solve_not_negative(equations);
  base_ = x[0] / scale[0];
  row_ = x[1] / scale[1];
  key_ = x[2] / scale[2];
}

std::optional<double> StepTimes::expected(const StepWork& work) const {
  if (work.rows <= 0 || buckets_[key_order(work)][row_order(work)].seconds == 0) return std::nullopt;
  return base_ + row_ * work.rows + key_ * work.keys;
}

double StepTimes::cost(int depth, int rows) const {
  StepWork work;
  work.add(depth, rows);
  return row_ * work.rows + key_ * work.keys;
}

int StepTimes::most_rows(int depth) const {
  int largest = 0;
  for (auto order = static_cast<std::size_t>(std::max(0, order_of(depth, kKeyOrders) - 1)); order < kKeyOrders;
       ++order) {
    largest = std::max(largest, largest_[order]);
  }
  return std::max(kFirstRows, 2 * largest);
}

int StepTimes::affordable(int depth, double seconds) const {
  if (seconds <= 0) return 0;
  // cost(depth, n) = linear n + square n^2
  const double square = key_ / 2, linear = row_ + key_ * (depth + 0.5);
  const int most = most_rows(depth);
  if (linear <= 0) return most;
  const double rows = 2 * seconds / (linear + std::sqrt(linear * linear + 4 * square * seconds));
  return static_cast<int>(std::min<double>(most, rows));
}

}  // namespace glimt
