#include "engine/step_costs.h"

#include <algorithm>

namespace glimt {
namespace {

template <typename T>
T& at(std::vector<T>& table, int index) {
  const auto i = static_cast<std::size_t>(index);
  if (i >= table.size()) table.resize(i + 1);
  return table[i];
}

template <typename T>
const T& find(const std::vector<T>& table, int index) {
  static const T kNone{};
  const auto i = static_cast<std::size_t>(index);
  return i < table.size() ? table[i] : kNone;
}

}  // namespace

void StepCosts::record(int sequences, int rows, double seconds) {
  at(seconds_, rows).add(seconds);
  OfSequences& own = at(of_sequences_, sequences);
  own.steps_with_guesses = rows == sequences ? 0 : own.steps_with_guesses + 1;
  const double base = measured(sequences);
  if (rows > sequences && base > 0) own.row_share.add((seconds / base - 1) * sequences / (rows - sequences));
}

bool StepCosts::wants_plain_step(int sequences) const {
  return measured(sequences) == 0 || find(of_sequences_, sequences).steps_with_guesses >= kPlainEvery;
}

double StepCosts::measured(int rows) const {
  const RecentMedian<9>& seconds = find(seconds_, rows);
  return seconds.count() < kEnough ? 0 : seconds.get();
}

double StepCosts::row_share(int sequences) const {
  const auto& share = find(of_sequences_, sequences).row_share;
  return share.count() < kEnough ? kGuessedShare : std::max(share.get(), 0.01);
}

std::vector<double> StepCosts::relative(int sequences, int deepest) const {
  const double base = measured(sequences);
  std::vector<double> costs;
  for (int k = 0; k <= deepest; ++k) {
    const int rows = sequences * (1 + k);
    const bool known = sequences == 1 && base > 0 && measured(rows) > 0;
    costs.push_back(known ? measured(rows) / base : cost(sequences, rows));
  }
  return costs;
}

double StepCosts::without_drafts(int sequences, int rows, double seconds) const {
  return measured(sequences) > 0 ? measured(sequences) : seconds / cost(sequences, rows);
}

}  // namespace glimt
