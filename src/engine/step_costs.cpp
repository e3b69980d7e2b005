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

double StepCosts::measured(int rows) const {
  const auto at = static_cast<std::size_t>(rows);
  return at < seconds_.size() ? seconds_[at] : 0;
}

std::vector<double> StepCosts::relative(int sequences, int deepest) const {
  const double base = measured(sequences);
  std::vector<double> costs;
  for (int k = 0; k <= deepest; ++k) {
    const int rows = sequences * (1 + k);
    costs.push_back(base > 0 && measured(rows) > 0 ? measured(rows) / base : guessed_cost(rows, sequences));
  }
  return costs;
}

double StepCosts::without_drafts(int sequences, int rows, double seconds) const {
  return measured(sequences) > 0 ? measured(sequences) : seconds / guessed_cost(rows, sequences);
}

}  // namespace glimt
