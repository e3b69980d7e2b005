// What the tests of the engine share: small engines, requests, and a look at what a test leaves behind.
#pragma once

#include "base/throws.h"
#include "engine/engine.h"
#include "model/checkpoint.h"
#include "model/local_ranks.h"
#include "text/tokenizer.h"

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace glimt {

using Tokens = std::vector<TokenId>;

inline Tokens golden_row(const std::string& golden_case, const std::string& name, int row) {
  const mx::array all = golden_array(golden_case, name);
  const auto length = static_cast<std::size_t>(all.shape(1));
  const auto* first = all.data<TokenId>() + static_cast<std::size_t>(row) * length;
  return {first, first + length};
}

inline SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

struct Answer {
  Tokens tokens;
  std::vector<float> logprobs;
  std::size_t guessed = 0;  // tokens that say so
  GenerationResult result;
};

inline Answer run(Engine& engine, const GenerationRequest& request) {
  Answer answer;
  answer.result = engine.generate(request, {}, [&](const TokenEvent& event) {
    answer.tokens.push_back(event.token);
    answer.logprobs.push_back(event.logprob);
    return true;
  });
  return answer;
}

// A stream to its end.
inline Answer read(Stream& stream) {
  Answer answer;
  while (std::optional<StreamEvent> event = stream.next()) {
    if (const auto* token = std::get_if<TokenEvent>(&*event)) {
      answer.tokens.push_back(token->token);
      answer.guessed += token->guessed ? 1 : 0;
    } else if (const auto* result = std::get_if<GenerationResult>(&*event)) {
      answer.result = *result;
    } else if (const auto* error = std::get_if<std::exception_ptr>(&*event)) {
      std::rethrow_exception(*error);
    }
  }
  return answer;
}

// The engine once nothing runs or waits: its numbers are published behind a step, which is after its last event. Gives
// up after some seconds.
inline EngineHealth settled_health(const Engine& engine) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (;;) {
    EngineHealth health = engine.health();
    const bool busy = health.step_seconds > 0 || health.metrics.running > 0 || health.metrics.waiting > 0;
    if (!busy || std::chrono::steady_clock::now() > deadline) return health;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

inline EngineMetrics settled(const Engine& engine) {
  const EngineMetrics metrics = settled_health(engine).metrics;
  EXPECT_EQ(metrics.running + metrics.waiting, 0) << "still at work";
  return metrics;
}

// An engine that runs and waits for nothing, and has lost no block: each is free or cached, and every cached one could
// be evicted.
inline void expect_clean(const Engine& engine) {
  const EngineHealth health = settled_health(engine);
  const EngineMetrics& metrics = health.metrics;
  EXPECT_EQ(metrics.running, 0);
  EXPECT_EQ(metrics.waiting, 0);
  EXPECT_EQ(metrics.free_blocks + metrics.cached_blocks, metrics.blocks);
  EXPECT_EQ(metrics.evictable_blocks, metrics.cached_blocks);
  EXPECT_EQ(metrics.stalls, 0u);
  EXPECT_TRUE(health.ok);
}

// What every test here holds its engine in: it looks at what the test leaves behind.
struct ExpectClean {
  void operator()(Engine* engine) const {
    expect_clean(*engine);
    delete engine;
  }
};
using CleanEngine = std::unique_ptr<Engine, ExpectClean>;

inline CleanEngine load_clean(const std::filesystem::path& folder, const EngineOptions& options) {
  EngineOptions spread = options;
  spread.ranks.split = test_split();
  const LocalRanks::Load ranks(folder, {.exact = options.exact, .ranks = spread.ranks});
  return CleanEngine(Engine::load(folder, spread).release());
}

inline GenerationRequest request_for(const Tokens& prompt, std::size_t max_tokens = 16) {
  GenerationRequest request;
  request.prompt = prompt;
  request.sampling = greedy();
  request.max_tokens = max_tokens;
  return request;
}

inline CleanEngine load(const std::string& golden_case, EngineOptions options = {}) {
  options.exact = true;
  if (options.cache_memory == 0) options.cache_memory = std::size_t{64} << 20;
  return load_clean(golden_folder(golden_case), options);
}

inline CleanEngine load(const Checkpoint& checkpoint, EngineOptions options = {}) {
  const TemporaryFolder folder;
  checkpoint.write(folder.path());
  options.exact = true;
  if (options.cache_memory == 0) options.cache_memory = std::size_t{64} << 20;
  return load_clean(folder.path(), options);  // the mapping outlives the name
}

inline Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

inline Tokens first(const Tokens& tokens, std::size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)};
}

class EngineTest : public testing::Test {
 protected:
  CleanEngine engine_ = load("base");
  Tokens prompt_ = golden_row("base", "input_ids", 0);
  Tokens wanted_ = golden_row("base", "greedy", 0);
};

inline std::vector<Tokens> some_prompts() {
  const Tokens a = golden_row("base", "input_ids", 0), b = golden_row("base", "input_ids", 1);
  Tokens longer;
  for (int i = 0; i < 5; ++i) longer = joined(longer, joined(first(a, static_cast<std::size_t>(20 + i)), b));
  std::vector<Tokens> prompts = {a, b, first(a, 1), first(b, 17), longer, joined(first(longer, 200), a)};
  prompts.push_back(joined(longer, first(a, 3)));
  prompts.push_back(joined(longer, first(b, 9)));
  return prompts;
}

// A model whose MTP layer is right now and then: its answers are few different tokens.
inline Checkpoint repetitive_mtp() {
  Checkpoint checkpoint = Checkpoint::read("mtp");
  const mx::array few = mx::less(mx::reshape(mx::arange(0, 320, mx::int32), {320, 1}), mx::array(4));
  for (const char* head : {"lm_head.weight", "model.layers.3.shared_head.head.weight"}) {
    checkpoint.set(head, mx::where(few, mx::multiply(checkpoint.at(head), mx::array(20.0f)), checkpoint.at(head)));
  }
  return checkpoint;
}

struct Demo {
  Demo() : folder(std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo"), tokenizer(folder) {}

  CleanEngine load(Speculation speculation) const {
    return load_clean(folder, {.cache_memory = std::size_t{64} << 20, .speculation = speculation});
  }
  GenerationRequest request(const Engine& engine, const std::string& text) const {
    GenerationRequest request = request_for(tokenizer.encode_plain(text), 60);
    request.eos = engine.info().eos;
    return request;
  }
  // An answer that goes on until its limit (0: the context's end), whatever it says.
  GenerationRequest long_request(const Engine& engine, std::size_t max_tokens) const {
    GenerationRequest made = request(engine, "Write a poem about a knife.");
    made.max_tokens = max_tokens;
    made.eos.clear();
    made.stop_repetition = false;
    return made;
  }

  std::filesystem::path folder;
  Tokenizer tokenizer;
};

}  // namespace glimt
