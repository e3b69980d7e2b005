// What a step costs by the number of its rows, as measured: whether guessing ahead pays depends on it.
#pragma once

#include <vector>

namespace glimt {

// Of steps in which everybody decodes. Used by one thread.
class StepCosts {
 public:
  void record(int rows, double seconds);

  // The time of a step of `sequences` sequences with k drafts each, for k = 0 … deepest, over that without drafts. Where a
  // number of rows was not measured: a third of a sequence's share for each row more, which is about what the experts of
  // one more token take.
  std::vector<double> relative(int sequences, int deepest) const;

 private:
  static constexpr double kGuessedShare = 1.0 / 3;
  static constexpr double kWeight = 0.1;  // of a new measurement

  double seconds(int rows, int base_rows, double base) const;

  std::vector<double> seconds_;  // by rows; 0: not measured
};

}  // namespace glimt
