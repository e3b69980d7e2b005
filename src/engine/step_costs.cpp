#include "engine/step_costs.h"

#include <algorithm>

namespace glimt {

void StepCosts::record(int rows, double seconds) {
  const auto at = static_cast<std::size_t>(rows);
  if (at >= seconds_.size()) seconds_.resize(at + 1);
  double& known = seconds_[at];
  // One slow step (the machine was busy) must not hide what the others cost.
  known = known == 0 ? seconds : known + kWeight * (std::min(seconds, 4 * known) - known);
}

double StepCosts::seconds(int rows, int base_rows, double base) const {
  const auto at = static_cast<std::size_t>(rows);
  if (at < seconds_.size() && seconds_[at] > 0) return seconds_[at];
  return base * (1 + kGuessedShare * (rows - base_rows) / base_rows);
}

std::vector<double> StepCosts::relative(int sequences, int deepest) const {
  const double base = seconds(sequences, sequences, 1);
  std::vector<double> costs;
  for (int k = 0; k <= deepest; ++k) costs.push_back(seconds(sequences * (1 + k), sequences, base) / base);
  return costs;
}

}  // namespace glimt
