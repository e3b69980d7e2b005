#include "measure/benchmark.h"

#include "base/huge_pages.h"
#include "base/machine.h"
#include "base/token.h"
#include "kernels/kernels.h"
#include "kernels/process.h"
#include "measure/benchmark_limits.h"
#include "measure/statistics.h"
#include "model/load_model.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

namespace glimt {
namespace {

class Bench {
 public:
  Bench(const CausalLm& model, const BenchmarkOptions& options)
      : model_(model),
        options_(options),
        chunk_(options.chunk > 0 ? options.chunk : model.prefill_rows()),
        cache_(model.cache_shape(), options.parallel, capacity(model, options)) {
    // Every shape that is timed has run once, and a prompt maps the pages of all experts (llama-bench does the same).
    decode(std::min(2, model.max_context_length() - 1));
    rewind(0);
    prefill(std::min(options.prompt, chunk_));
    rewind(0);
    prefill(options.depth);
  }

  // Seconds for one more prompt behind `depth` tokens.
  double prefill_seconds() {
    rewind(options_.depth);
    return timed([&] { prefill(options_.prompt); });
  }

  double decode_seconds() {
    rewind(options_.depth);
    return timed([&] { decode(options_.generate); });
  }

 private:
  template <typename F>
  static double timed(F f) {
    const auto start = std::chrono::steady_clock::now();
    f();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  static int capacity(const CausalLm& model, const BenchmarkOptions& options) {
    return std::max(options.depth + std::max(options.prompt, options.generate),
                    std::min(2, model.max_context_length()));
  }

  void rewind(int length) { cache_.trim(length); }

  void prefill(int count) {
    const int chunk = std::max(1, chunk_ / options_.parallel);
    for (int done = 0; done < count; done += chunk) step(std::min(chunk, count - done));
  }

  void decode(int count) {
    for (int i = 0; i < count; ++i) step(1);
  }

  // `count` tokens more for each sequence, and logits for the last of each.
  void step(int count) {
    const int sequences = options_.parallel;
    std::vector<TokenId> tokens(static_cast<std::size_t>(count) * static_cast<std::size_t>(sequences));
    for (TokenId& token : tokens)
      token = static_cast<TokenId>(random_() % static_cast<unsigned>(model_.config().vocab_size));
    const mx::array ids = kernels::uploaded(tokens);
    const mx::array hidden =
        mx::reshape(model_.forward(ids, cache_.pool(), cache_.extend(count)), {sequences, count, -1});
    const mx::array last = mx::slice(hidden, {0, count - 1, 0}, {sequences, count, hidden.shape(2)});
    mx::eval(model_.unembed(mx::squeeze(last, 1)));
  }

  const CausalLm& model_;
  const BenchmarkOptions& options_;
  int chunk_;
  UniformCache cache_;
  std::mt19937 random_{0};
};

struct Timing {
  std::vector<double> seconds;
  double kernel_share;
  std::optional<StageSeconds> stages;
};

std::optional<StageSeconds> between(const std::optional<StageTimes>& before, const std::optional<StageTimes>& after) {
  if (!before || !after || after->steps == before->steps) return std::nullopt;
  const auto steps = static_cast<double>(after->steps - before->steps);
  StageSeconds stages;
  for (std::size_t rank = 0; rank < after->computing.size(); ++rank) {
    stages.computing.push_back((after->computing[rank] - before->computing[rank]) / steps);
  }
  stages.pass = (after->total - before->total) / steps;
  stages.sums = static_cast<double>(after->sums - before->sums) / steps;
  stages.summing = (after->summing - before->summing) / steps;
  stages.sent_bytes = static_cast<double>(after->sent_bytes - before->sent_bytes) / steps;
  return stages;
}

BenchmarkResult result_of(const std::string& test, int tokens, const BenchmarkOptions& options, bool is_decode,
                          const Timing& timing) {
  std::vector<double> seconds = timing.seconds;
  std::sort(seconds.begin(), seconds.end());
  const auto speed = [&](double s) { return tokens * options.parallel / s; };
  return {test,
          options.depth,
          options.parallel,
          is_decode,
          speed(quantile(seconds, 0.5)),
          speed(seconds.back()),
          speed(seconds.front()),
          timing.kernel_share,
          timing.stages};
}

void check(const BenchmarkOptions& options) {
  check_at_least("prompt", options.prompt, 0);
  check_at_least("generate", options.generate, 0);
  check_at_least("depth", options.depth, 0);
  check_at_least("repeat", options.repeat, 1);
  check_at_least("chunk", options.chunk, 0);
  check_at_least("parallel", options.parallel, 1);
}

}  // namespace

std::size_t run_benchmark(const std::filesystem::path& folder, const BenchmarkOptions& options,
                          const std::function<void(const BenchmarkResult&)>& report) {
  check(options);
  ask_for_short_turns();
  const LoadedModel loaded = load_model(folder, {.expand_prompts = options.expand_prompts, .ranks = options.ranks});
  check_context(std::int64_t{options.depth} + std::max(options.prompt, options.generate),
                loaded.model->max_context_length());
  HugePages huge_pages(options.huge_pages ? loaded.files : std::vector<std::shared_ptr<const MappedFile>>(),
                       HugePages::Unread::fetch);
  huge_pages.wait();
  Bench bench(*loaded.model, options);
  const auto repeat = [&](auto measure) {
    Timing timing{};
    const std::optional<StageTimes> stages_before = loaded.model->stage_times();
    const double kernels_before = loaded.model->device().queue().seconds();
    for (int i = 0; i < options.repeat; ++i) timing.seconds.push_back(measure());
    const double total = std::accumulate(timing.seconds.begin(), timing.seconds.end(), 0.0);
    timing.kernel_share = (loaded.model->device().queue().seconds() - kernels_before) / total;
    timing.stages = between(stages_before, loaded.model->stage_times());
    return timing;
  };
  if (options.prompt > 0) {
    report(result_of("pp" + std::to_string(options.prompt), options.prompt, options, false,
                     repeat([&] { return bench.prefill_seconds(); })));
  }
  if (options.generate > 0) {
    report(result_of("tg" + std::to_string(options.generate), options.generate, options, true,
                     repeat([&] { return bench.decode_seconds(); })));
  }
  return huge_pages.moved_bytes();
}

}  // namespace glimt
