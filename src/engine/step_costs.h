// Measures what a step costs by its sequences and rows: it decides whether drafting pays.
#pragma once

#include "engine/recent_median.h"

#include <vector>

namespace glimt {

// Measures only steps in which every sequence decodes. A row is a token of one sequence: a sequence that verifies k
// guesses brings 1 + k. Not thread-safe.
class StepCosts {
 public:
  void record(int sequences, int rows, double seconds);

  // Whether the next step of `sequences` sequences should be one without guesses: its time is the base of all ratios,
  // and guesses of only some of the sequences would keep it unmeasured for ever. So the first steps of each number of
  // sequences, and later one in kPlainEvery, because the contexts grow and the machine has other work.
  bool wants_plain_step(int sequences) const;

  // The time of a step of `sequences` sequences with k guesses each, for k = 0 … deepest, over that without guesses. One
  // sequence: as measured where both numbers of rows were. Several hardly ever guess as much all at once, so what was
  // measured at just that number of rows is old: they go by the share of a sequence's time that one row more took in
  // steps of as many sequences. Where nothing is known: a third, about what the experts of one more token take.
  std::vector<double> relative(int sequences, int deepest) const;

  // The time of a step of `sequences` sequences without guesses, given one of `rows` rows that took `seconds`.
  double without_drafts(int sequences, int rows, double seconds) const;

 private:
  static constexpr double kGuessedShare = 1.0 / 3;
  static constexpr std::size_t kEnough = 3;  // measurements of a number of rows
  static constexpr int kPlainEvery = 64;

  struct OfSequences {
    int steps_with_guesses = 0;  // since the last one without
    RecentMedian<63> row_share;  // what a row more takes, over a sequence's share of the plain step: a small difference
                                 // of two times, so many of them
  };
  double measured(int rows) const;  // 0: not often enough
  double row_share(int sequences) const;
  double cost(int sequences, int rows) const { return 1 + row_share(sequences) * (rows - sequences) / sequences; }

  std::vector<RecentMedian<9>> seconds_;   // by rows
  std::vector<OfSequences> of_sequences_;  // by their number
};

}  // namespace glimt
