// What drafting with the MTP layer gains: answers of the engine with it and without, in turns, with guesses that stand
// as often as one likes.
#pragma once

#include "base/ranks.h"

#include <cstddef>
#include <filesystem>
#include <functional>

namespace glimt {

struct DraftBenchmarkOptions {
  double acceptance = 0.7;  // probability that a guess stands, once those before it do
  int generate = 128;       // tokens of an answer
  int depth = 0;            // of its prompt
  int repeat = 3;           // answers of each kind
  bool huge_pages = true;
  RankOptions ranks = {};
};

struct DraftBenchmarkResult {
  double plain = 0;                  // tokens a second without the MTP layer, the median
  double drafts = 0;                 // with it
  double gain = 0;                   // the median of the ratios of neighbouring answers
  double drafted = 0, accepted = 0;  // guesses a token of the answer
};

// Throws invalid_request for impossible options, a model without an MTP layer, and what does not fit its context; and
// what Engine::load throws.
DraftBenchmarkResult run_draft_benchmark(const std::filesystem::path& folder, const DraftBenchmarkOptions& options);

}  // namespace glimt
