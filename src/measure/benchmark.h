// Prefill and decode speed of a model with random tokens; needs no tokenizer.
#pragma once

#include "base/ranks.h"

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct BenchmarkOptions {
  int prompt = 512;
  int generate = 32;
  int depth = 0;
  int repeat = 3;
  int chunk = 0;                // tokens a prefill step, of all sequences together; 0: as the engine does
  int parallel = 1;             // sequences that run together
  bool huge_pages = true;       // copy the weights into huge pages first, where there is room
  bool expand_prompts = false;  // LoadOptions::expand_prompts
  RankOptions ranks = {};
};

// Of a model that several ranks compute, for each forward pass on average.
struct StageSeconds {
  std::vector<double> computing;  // of each rank
  double pass = 0;                // all of it: computing, messages, and waiting
  double sent_bytes = 0;          // by rank 0
  double sums = 0;                // over the ranks, where they share each layer
  double summing = 0;             // seconds of rank 0 in these: messages, and waiting for slower ranks
};

struct BenchmarkResult {
  std::string test;  // "pp512", "tg32"
  int depth = 0;
  int parallel = 1;
  bool is_decode = false;
  double tokens_per_second = 0;  // of all sequences together, median of the runs
  double slowest = 0;
  double fastest = 0;
  double kernel_share = 0;  // of the time, spent inside our CPU kernels; 0 on other backends
  std::optional<StageSeconds> stages = std::nullopt;
};

// Runs the tests one after the other and reports each when it is done. A short warm-up comes first. Returns the bytes
// of the weights that were in huge pages. Throws invalid_request for impossible options and when depth and test do not
// fit the model's context.
std::size_t run_benchmark(const std::filesystem::path& folder, const BenchmarkOptions& options,
                          const std::function<void(const BenchmarkResult&)>& report);

}  // namespace glimt
