#include "measure/draft_benchmark.h"

#include "base/huge_pages.h"
#include "engine/load.h"
#include "measure/benchmark_limits.h"
#include "measure/chance_lm.h"
#include "measure/statistics.h"
#include "model/load_model.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

namespace glimt {
namespace {

void check(const DraftBenchmarkOptions& options) {
  check_at_least("generate", options.generate, 2);
  check_at_least("depth", options.depth, 0);
  check_at_least("repeat", options.repeat, 1);
  if (!(options.acceptance >= 0 && options.acceptance <= 1)) {
    fail(ErrorKind::invalid_request, "bench", "acceptance must be 0 to 1, got {}", options.acceptance);
  }
}

class DraftBench {
 public:
  DraftBench(const std::filesystem::path& folder, const DraftBenchmarkOptions& options) : options_(options) {
    std::vector<std::shared_ptr<const MappedFile>> files;
    const auto make = [&] {
      LoadedModel loaded = load_model(folder, {.ranks = options.ranks});
      if (!loaded.model->has_mtp()) {
        fail(ErrorKind::invalid_request, "bench", "acceptance is of an MTP layer's guesses, {} has none",
             folder.string());
      }
      if (options.huge_pages) files = std::move(loaded.files);
      return EngineModel{std::make_unique<ChanceLm>(std::move(loaded.model), options.acceptance, control_),
                         loaded.weight_bytes};
    };
    engine_ = EngineLoader::start(make, {.parallel = 1, .huge_pages = false, .ranks = options.ranks});
    check_context(prompt_tokens() + options.generate, static_cast<std::int64_t>(engine_->info().context));
    std::mt19937_64 random(0);
    prompt_.resize(static_cast<std::size_t>(prompt_tokens()));
    for (TokenId& token : prompt_) token = static_cast<TokenId>(random() % engine_->info().vocab_size);
    huge_pages_.emplace(std::move(files), HugePages::Unread::fetch);
    huge_pages_->wait();
  }

  // Tokens a second of an answer, from its first token on.
  double answer(bool drafts, GenerationStats& sum) {
    control_->drafts = drafts;
    GenerationRequest request;
    request.prompt = prompt_;
    request.sampling.temperature = 0;
    request.max_tokens = static_cast<std::size_t>(options_.generate);
    request.stop_repetition = false;
    const GenerationStats stats =
        engine_->generate(std::move(request), {}, [](const TokenEvent&) { return true; }).stats;
    sum.generated_tokens += stats.generated_tokens;
    sum.drafted += stats.drafted;
    sum.accepted += stats.accepted;
    return static_cast<double>(stats.generated_tokens - 1) / stats.decode_seconds;
  }

 private:
  std::int64_t prompt_tokens() const { return std::max<std::int64_t>(1, options_.depth); }

  const DraftBenchmarkOptions& options_;
  std::shared_ptr<ChanceLm::Control> control_ = std::make_shared<ChanceLm::Control>();
  std::unique_ptr<Engine> engine_;
  std::vector<TokenId> prompt_;
  std::optional<HugePages> huge_pages_;
};

}  // namespace

DraftBenchmarkResult run_draft_benchmark(const std::filesystem::path& folder, const DraftBenchmarkOptions& options) {
  check(options);
  DraftBench bench(folder, options);
  GenerationStats unused, stats;
  // The first answers read the prompt, map the weights, and measure what a step of each number of rows takes.
  bench.answer(false, unused);
  bench.answer(true, unused);
  std::vector<double> plain, drafts, gains;
  for (int i = 0; i < options.repeat; ++i) {
    plain.push_back(bench.answer(false, unused));
    drafts.push_back(bench.answer(true, stats));
    gains.push_back(drafts.back() / plain.back());
  }
  const auto tokens = static_cast<double>(stats.generated_tokens);
  return {median(plain), median(drafts), median(gains), static_cast<double>(stats.drafted) / tokens,
          static_cast<double>(stats.accepted) / tokens};
}

}  // namespace glimt
