// Measures what a step costs by the number of its rows: it decides whether drafting pays.
#pragma once

#include <vector>

namespace glimt {

// Measures only steps in which every sequence decodes. Not thread-safe.
class StepCosts {
 public:
  void record(int rows, double seconds);

  // The time of a step of `sequences` sequences with k drafts each, for k = 0 … deepest, over that without drafts.
  // Where a number of rows was not measured: a third of a sequence's share for each row more, which is about what the
  // experts of one more token take.
  std::vector<double> relative(int sequences, int deepest) const;

  // The time of a step of `sequences` sequences without drafts, given one of `rows` rows that took `seconds`: as
  // measured, or else by the same share.
  double without_drafts(int sequences, int rows, double seconds) const;

 private:
  static constexpr double kGuessedShare = 1.0 / 3;
  static constexpr double kWeight = 0.1;  // of a new measurement

  static double guessed_cost(int rows, int sequences) { return 1 + kGuessedShare * (rows - sequences) / sequences; }
  double measured(int rows) const;  // 0: not yet

  std::vector<double> seconds_;  // by rows; 0: not measured
};

}  // namespace glimt
