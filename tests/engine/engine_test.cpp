#include "engine/engine_support.h"
#include "kernels/our_kernels.h"

#include "base/file.h"
#include "engine/shared_rows.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <map>
#include <random>
#include <regex>
#include <thread>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(EngineTest, GreedyTextIsThatOfTheReferenceInEveryPrefillChunk) {
  for (const int chunk : {8, 9, 17, 32, 33, 512}) {
    SCOPED_TRACE(chunk);
    const Answer answer = run(*load("base", {.step_tokens = chunk, .speculation = Speculation::off}),
                              request_for(prompt_, wanted_.size()));
    EXPECT_EQ(answer.tokens, wanted_);
    EXPECT_EQ(answer.result.reason, FinishReason::length);
    EXPECT_EQ(answer.result.stats.prompt_tokens, prompt_.size());
    EXPECT_EQ(answer.result.stats.reused_tokens, 0u);
    EXPECT_EQ(answer.result.stats.generated_tokens, wanted_.size());
    EXPECT_EQ(answer.result.stats.drafted, 0u);
  }
}

TEST_F(EngineTest, PrefillReportsItsProgress) {
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  load("base", {.parallel = 1, .step_tokens = 10})
      ->generate(
          request_for(prompt_, 1),
          [&](std::size_t done, std::size_t total) { return seen.emplace_back(done, total), true; },
          [](const TokenEvent&) { return true; });
  // A reader that is late may miss some of it, never the last.
  const std::vector<std::pair<std::size_t, std::size_t>> all{{0, 33}, {10, 33}, {20, 33}, {30, 33}, {33, 33}};
  ASSERT_FALSE(seen.empty());
  EXPECT_EQ(seen.back(), all.back());
  EXPECT_TRUE(std::includes(all.begin(), all.end(), seen.begin(), seen.end()));
}

// Not only when its first step is done, which may take long. The reader reads on the engine's thread here and misses
// nothing; both requests wait behind another until it listens.
TEST_F(EngineTest, ProgressIsToldFromTheFirstTurnOn) {
  auto engine = load("base", {.parallel = 1, .step_tokens = 20});
  const auto before = engine->submit(request_for(golden_row("base", "input_ids", 1), 0));
  using Told = std::vector<std::size_t>;
  Told cold, warm;
  const auto listen = [&](Told& told) {
    auto stream = engine->submit(request_for(prompt_, 1));
    stream->on_event([&told, queue = stream.get()] {
      while (const auto event = queue->poll())
        if (const auto* progress = std::get_if<PrefillProgress>(&*event)) told.push_back(progress->done);
    });
    return stream;
  };
  const auto first = listen(cold), second = listen(warm);
  before->cancel();
  while (!first->ended() || !second->ended()) std::this_thread::yield();
  engine.reset();  // nothing calls a reader any more
  EXPECT_THAT(cold, ElementsAre(0u, 20u, 33u));
  EXPECT_THAT(warm, ElementsAre(32u, 33u)) << "what is known already is not to be read";
}

// Conversations that share a beginning with what the caches hold, each followed by the same on a cold generator.
TEST_F(EngineTest, AReusedPrefixGivesTheTokensOfAColdStart) {
  const Tokens other = golden_row("base", "input_ids", 1);
  run(*engine_, request_for(prompt_, 10));
  const Tokens turn = joined(joined(prompt_, first(wanted_, 10)), first(other, 12));
  struct Step {
    const char* what;
    Tokens prompt;
    std::size_t reused;
  };
  // The last token of an answer is not in the cache: nothing came after it. The last of a prompt is always computed.
  const Step steps[] = {{"a next turn", turn, prompt_.size() + 9},
                        {"the same again", turn, turn.size() - 1},
                        {"cut in the middle", joined(first(turn, 20), first(other, 5)), 20},
                        {"a beginning of it", first(turn, 15), 14},
                        {"something else", other, 0},
                        {"one token", first(turn, 1), 0}};
  for (const Step& step : steps) {
    SCOPED_TRACE(step.what);
    const Answer warm = run(*engine_, request_for(step.prompt, 8));
    EXPECT_EQ(warm.result.stats.reused_tokens, step.reused);
    EXPECT_EQ(warm.tokens, run(*load("base"), request_for(step.prompt, 8)).tokens);
  }
}

TEST_F(EngineTest, StopsAtAnEndTokenAndDoesNotReportIt) {
  GenerationRequest request = request_for(prompt_, 24);
  std::size_t at = 2;
  while (std::find(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(at), wanted_[at]) !=
         wanted_.begin() + static_cast<std::ptrdiff_t>(at)) {
    ++at;  // one that did not come before
  }
  request.eos = {1, wanted_[at], 2};
  const Answer answer = run(*engine_, request);
  EXPECT_EQ(answer.tokens, first(wanted_, at));
  EXPECT_EQ(answer.result.reason, FinishReason::stop);
  EXPECT_EQ(answer.result.stats.generated_tokens, at + 1);
}

TEST_F(EngineTest, StopsBehindTheTokenThatTheCallerRefuses) {
  Tokens seen;
  const GenerationResult result = engine_->generate(request_for(prompt_, 24), {}, [&](const TokenEvent& event) {
    seen.push_back(event.token);
    return seen.size() < 3;
  });
  EXPECT_EQ(seen, first(wanted_, 3));
  EXPECT_EQ(result.reason, FinishReason::stop);
  EXPECT_EQ(run(*engine_, request_for(prompt_, 24)).tokens, wanted_);
}

TEST_F(EngineTest, CanBeCancelledBetweenChunksOfThePromptAndLeavesItsRows) {
  const auto engine = load("base", {.parallel = 1, .step_tokens = 10});
  bool token_came = false;
  const GenerationResult result = engine->generate(
      request_for(prompt_, 24), [](std::size_t, std::size_t) { return false; },
      [&](const TokenEvent&) { return token_came = true; });
  EXPECT_EQ(result.reason, FinishReason::cancelled);
  EXPECT_FALSE(token_came);
  const Answer answer = run(*engine, request_for(prompt_, 24));
  EXPECT_EQ(answer.tokens, wanted_);
  EXPECT_GE(answer.result.stats.reused_tokens, 10u);
}

TEST_F(EngineTest, EndsWhereTheContextEnds) {
  const auto small = load("base", {.context = prompt_.size() + 5});
  EXPECT_EQ(small->info().context, prompt_.size() + 5);
  for (const std::size_t max_tokens : {0u, 5u, 100u}) {
    const Answer answer = run(*small, request_for(prompt_, max_tokens));
    EXPECT_EQ(answer.tokens, first(wanted_, 5));
    EXPECT_EQ(answer.result.reason, FinishReason::length);
  }
  EXPECT_EQ(run(*small, request_for(prompt_, 2)).tokens, first(wanted_, 2));
  const Tokens full = joined(prompt_, first(wanted_, 5)), almost = joined(prompt_, first(wanted_, 4));
  EXPECT_ERROR(run(*small, request_for(full)), ErrorKind::invalid_request, HasSubstr("38 tokens"));
  EXPECT_EQ(run(*small, request_for(almost)).tokens, Tokens{wanted_[4]});
}

TEST_F(EngineTest, AContextBeyondTheModelsIsRefused) {
  EXPECT_EQ(engine_->info().context, 512u);
  EXPECT_ERROR(load("base", {.context = 513}), ErrorKind::invalid_request, HasSubstr("513"));
  EXPECT_NO_THROW(load("base", {.context = 512}));
}

TEST_F(EngineTest, ImpossibleRequestsAreRefusedAndDoNoHarm) {
  const auto refused = [&](const GenerationRequest& request, ErrorKind kind, const char* words) {
    EXPECT_ERROR(run(*engine_, request), kind, HasSubstr(words));
  };
  run(*engine_, request_for(prompt_, 3));
  refused(request_for({}), ErrorKind::invalid_request, "prompt");
  refused(request_for({3, 320}), ErrorKind::invalid_request, "token 320");
  refused(request_for({3, -1}), ErrorKind::invalid_request, "token -1");
  refused(request_for(Tokens(512, 3)), ErrorKind::invalid_request, "512 tokens");
  GenerationRequest request = request_for(prompt_);
  request.sampling.temperature = -1;
  refused(request, ErrorKind::invalid_request, "temperature");
  const Answer answer = run(*engine_, request_for(prompt_, wanted_.size()));
  EXPECT_EQ(answer.tokens, wanted_);
  EXPECT_EQ(answer.result.stats.reused_tokens, prompt_.size() - 1);  // the caches were left alone
}

// A token whose embedding is broken makes every position behind it NaN (or infinite).
TEST_F(EngineTest, BrokenNumbersEndTheRequestAndTheNextOneWorks) {
  constexpr TokenId kBroken = 7;
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Checkpoint checkpoint = Checkpoint::read("base");
    const mx::array rows = mx::reshape(mx::arange(0, 320, mx::int32), {320, 1});
    checkpoint.set("model.embed_tokens.weight", mx::where(mx::equal(rows, mx::array(kBroken)), mx::array(poison),
                                                          checkpoint.at("model.embed_tokens.weight")));
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    const auto engine = Engine::load(folder.path(), {.exact = true}),
               small = Engine::load(folder.path(), {.exact = true, .step_tokens = 8});
    Tokens clean = prompt_;
    std::replace(clean.begin(), clean.end(), kBroken, TokenId{8});
    const Tokens text = run(*engine, request_for(clean, 6)).tokens;
    EXPECT_EQ(text.size(), 6u);

    Tokens broken = clean;
    broken[20] = kBroken;
    for (Engine* each : {engine.get(), small.get()}) {
      // Beside a good one: it fails alone.
      const auto good = each->submit(request_for(clean, 6));
      EXPECT_ERROR(run(*each, request_for(broken, 6)), ErrorKind::internal, testing::Not(testing::IsEmpty()));
      EXPECT_EQ(read(*good).tokens, text);
      EXPECT_EQ(run(*each, request_for(clean, 6)).tokens, text);
    }
  }
}

// A long answer without a reader ends at once, whatever ended the reading.
TEST(EngineLife, TheEngineDoesNotWorkForNobody) {
  const Demo demo;
  const auto engine = demo.load(Speculation::off);
  const GenerationRequest request = demo.long_request(*engine, 0);
  EXPECT_THROW(engine->generate(request, {}, [](const TokenEvent&) -> bool { throw std::runtime_error("mine"); }),
               std::runtime_error);
  EXPECT_LT(settled(*engine).generated_tokens, engine->info().context / 2);
  {
    const auto stream = engine->submit(request);
    while (!std::holds_alternative<TokenEvent>(*stream->next())) continue;
  }
  EXPECT_LT(settled(*engine).generated_tokens, engine->info().context);
}

TEST_F(EngineTest, AnExceptionOfTheCallerPassesThroughAndTheNextRequestWorks) {
  EXPECT_THROW(
      engine_->generate(request_for(prompt_), {}, [](const TokenEvent&) -> bool { throw std::runtime_error("mine"); }),
      std::runtime_error);
  EXPECT_THROW(engine_->generate(
                   request_for(prompt_), [](std::size_t, std::size_t) -> bool { throw std::runtime_error("mine"); },
                   [](const TokenEvent&) { return true; }),
               std::runtime_error);
  EXPECT_EQ(run(*engine_, request_for(prompt_, wanted_.size())).tokens, wanted_);
}

TEST_F(EngineTest, TheSameSeedGivesTheSameTextWarmOrCold) {
  GenerationRequest request = request_for(prompt_, 20);
  request.sampling.temperature = 1;
  request.sampling.seed = 5;
  const Tokens text = run(*engine_, request).tokens;
  EXPECT_EQ(run(*engine_, request).tokens, text);
  EXPECT_EQ(run(*load("base", {.step_tokens = 8}), request).tokens, text);
  request.sampling.seed = 6;
  EXPECT_NE(run(*engine_, request).tokens, text);
}

TEST_F(EngineTest, LogprobsAreThoseOfTheModel) {
  GenerationRequest request = request_for(prompt_, 3);
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 4;
  std::vector<TokenEvent> events;
  engine_->generate(request, {}, [&](const TokenEvent& event) { return events.push_back(event), true; });
  ASSERT_EQ(events.size(), 3u);
  const mx::array logits = golden_array("base", "logits");
  const float* last = logits.data<float>() + 32 * 320;  // of the first row's last position
  double sum = 0;
  for (int i = 0; i < 320; ++i) sum += std::exp(static_cast<double>(last[i]));
  EXPECT_NEAR(events[0].logprob, last[wanted_[0]] - std::log(sum), 1e-3);
  ASSERT_EQ(events[0].top.size(), 4u);
  EXPECT_EQ(events[0].top[0].token, wanted_[0]);
  EXPECT_EQ(events[0].top[0].logprob, events[0].logprob);
}

TEST_F(EngineTest, SaysWhatItHolds) {
  const EngineInfo& info = engine_->info();
  EXPECT_EQ(info.vocab_size, 320u);
  EXPECT_FALSE(info.has_mtp);
  EXPECT_THAT(info.eos, ElementsAre(2));
  EXPECT_GT(info.weight_bytes, std::size_t{1} << 20);
  EXPECT_EQ(info.cache_bytes_per_token, 3u * 80 * sizeof(float));
  EXPECT_LE(info.cache_bytes, std::size_t{64} << 20);
  run(*engine_, request_for(prompt_, 1));
  const EngineMetrics metrics = settled(*engine_);
  EXPECT_EQ(metrics.blocks - metrics.free_blocks, 1);
  EXPECT_EQ(metrics.cached_blocks, 1);
  EXPECT_EQ(metrics.prompt_tokens, prompt_.size());
  EXPECT_EQ(metrics.generated_tokens, 1u);
}

TEST_F(EngineTest, EndTokensOfBothConfigurationsAreJoined) {
  Checkpoint checkpoint = Checkpoint::read("base");
  const TemporaryFolder folder;
  checkpoint.config["eos_token_id"] = {2, 5};
  checkpoint.write(folder.path());
  folder.write("generation_config.json", R"({"eos_token_id": [5, 9], "temperature": 0.5})");
  EXPECT_THAT(Engine::load(folder.path(), {})->info().eos, ElementsAre(2, 5, 9));
  folder.write("generation_config.json", R"({"eos_token_id": 9})");
  EXPECT_THAT(Engine::load(folder.path(), {})->info().eos, ElementsAre(2, 5, 9));
  folder.write("generation_config.json", R"({"eos_token_id": 320})");
  EXPECT_ERROR(Engine::load(folder.path(), {}), ErrorKind::bad_file, HasSubstr("eos_token_id"));
  folder.write("generation_config.json", "{");
  EXPECT_ERROR(Engine::load(folder.path(), {}), ErrorKind::bad_file, HasSubstr("generation_config.json"));
}

// ---- Many at once

// The same shapes as text for the demo model, where guesses are right now and then.
std::vector<Tokens> demo_prompts(const Tokenizer& tokenizer) {
  const auto tokens = [&](std::string_view text) { return tokenizer.encode_raw(text); };
  const Tokens opening = tokens("[gMASK]<sop><|user|>"), poem = tokens("Write a poem about a knife."),
               answer = tokens("<|assistant|></think>"), sum = tokens("What is 46 plus 93?");
  Tokens longer = opening;
  for (int i = 0; i < 12; ++i) {
    longer = joined(longer, joined(tokens(i % 2 == 0 ? "The knife is here, " : "I see the sea, "), joined(poem, sum)));
  }
  return {joined(joined(opening, poem), answer),
          joined(joined(opening, sum), tokens("<|assistant|><think>")),
          first(opening, 1),
          joined(opening, poem),
          longer,
          joined(first(longer, 200), answer),
          joined(longer, answer),
          joined(joined(longer, sum), answer)};
}

struct EqualityCase {
  const char* name;
  bool exact = false;     // else as stored: 8-bit activations where the weights allow it, a bfloat16 cache
  bool in_short = false;  // some combinations of step size and company, not all
};

// Bit by bit the same work, so the same text: alone and cold, in company, warm, evicted, in small steps, drafted.
class Equality : public testing::TestWithParam<EqualityCase> {
 protected:
  void SetUp() override {
    if (!has_our_kernels()) GTEST_SKIP() << "only our CPU kernels promise a row the same bits in every company";
  }
  static bool is_demo() { return std::string_view(GetParam().name) == "demo"; }
  static std::filesystem::path folder() {
    return is_demo() ? std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo" : golden_folder(GetParam().name);
  }
  static CleanEngine engine(EngineOptions options) {
    options.cache_memory = options.cache_memory > 0 ? options.cache_memory : std::size_t{64} << 20;
    options.exact = GetParam().exact;
    return load_clean(folder(), options);
  }
  std::vector<Tokens> texts(Engine& engine, bool together) const {
    std::vector<std::shared_ptr<Stream>> streams;
    std::vector<Tokens> texts;
    for (const Tokens& prompt : prompts_) {
      streams.push_back(engine.submit(request_for(prompt, 20)));
      if (!together) texts.push_back(read(*streams.back()).tokens);
    }
    for (std::size_t i = 0; together && i < streams.size(); ++i) texts.push_back(read(*streams[i]).tokens);
    return texts;
  }

  std::vector<Tokens> prompts_ = is_demo() ? demo_prompts(Tokenizer(folder())) : some_prompts();
};

INSTANTIATE_TEST_SUITE_P(
    Cases, Equality,
    testing::Values(EqualityCase{"base"}, EqualityCase{"mtp"}, EqualityCase{"base_affine4_g64"},
                    EqualityCase{"base_mxfp4_g32"}, EqualityCase{"demo", false, true}, EqualityCase{"demo", true, true},
                    EqualityCase{"bf16", false, true}, EqualityCase{"groups", false, true},
                    EqualityCase{"no_q_lora", false, true}, EqualityCase{"plain_scores", false, true},
                    EqualityCase{"two_dense", false, true}, EqualityCase{"yarn", false, true},
                    EqualityCase{"base_affine4_g32", false, true}, EqualityCase{"base_affine8_g64", false, true},
                    EqualityCase{"base_mxfp8_g32", false, true}, EqualityCase{"base_nvfp4_g16", false, true},
                    EqualityCase{"base_ollama_int4", false, true}),
    [](const auto& test) { return fmt::format("{}{}", test.param.name, test.param.exact ? "_exact" : ""); });

TEST_P(Equality, OfTheTextInEveryCompanyAndCacheState) {
  std::vector<Tokens> wanted;
  for (const Tokens& prompt : prompts_) {
    wanted.push_back(run(*engine({.speculation = Speculation::off}), request_for(prompt, 20)).tokens);
  }
  for (const Speculation speculation : {Speculation::off, Speculation::adaptive, Speculation::always}) {
    for (const int step_tokens : {8, 33, 512}) {
      for (const int parallel : {1, 3, 8}) {
        const bool in_short = parallel == (step_tokens == 8 ? 3 : 8) || (step_tokens == 33 && parallel == 1);
        if (GetParam().in_short && !in_short) continue;
        SCOPED_TRACE(fmt::format("{} tokens a step, {} at once", step_tokens, parallel));
        const auto one = engine({.parallel = parallel, .step_tokens = step_tokens, .speculation = speculation});
        EXPECT_EQ(texts(*one, true), wanted) << "cold";
        EXPECT_EQ(texts(*one, true), wanted) << "warm";
        EXPECT_EQ(texts(*one, false), wanted) << "one after the other";
      }
    }
  }
}

TEST_P(Equality, OfTheTextWhenBlocksAreScarce) {
  const auto plenty = engine({});
  const std::vector<Tokens> wanted = texts(*plenty, false);
  const std::size_t block = settled(*plenty).block_bytes;
  for (const std::size_t blocks : {5u, 7u, 10u}) {
    SCOPED_TRACE(blocks);
    const auto scarce = engine({.cache_memory = blocks * block, .step_tokens = 64});
    for (int round = 0; round < 3; ++round) EXPECT_EQ(texts(*scarce, true), wanted);
    const EngineMetrics metrics = settled(*scarce);
    EXPECT_EQ(metrics.blocks, static_cast<int>(blocks));
    EXPECT_EQ(metrics.free_blocks + metrics.cached_blocks, metrics.blocks);
    EXPECT_GT(metrics.evicted_blocks + metrics.preemptions, 0u);
  }
}

TEST_P(Equality, OfTheTextAfterARestart) {
  const TemporaryFolder files;
  const std::filesystem::path file = files.path() / "session";
  const Tokens& prompt = prompts_[4];
  Tokens wanted;
  {
    const auto before = engine({});
    wanted = run(*before, request_for(prompt, 20)).tokens;
    EXPECT_EQ(before->save_session(file, prompt), prompt.size() / 128 * 128);
  }
  const auto after = engine({});
  EXPECT_EQ(after->load_session(file), prompt.size() / 128 * 128);
  const Answer answer = run(*after, request_for(prompt, 20));
  EXPECT_EQ(answer.tokens, wanted);
  EXPECT_GE(answer.result.stats.reused_tokens, prompt.size() / 128 * 128 - 1);
}

TEST(EngineBatch, SharesWhatLiveSequencesHaveInCommon) {
  const auto engine = load("base", {.step_tokens = 64});
  const Tokens prompt = some_prompts()[4];  // more than two blocks
  const auto first_stream = engine->submit(request_for(prompt, 200));
  while (!std::holds_alternative<TokenEvent>(*first_stream->next())) continue;
  const Answer second = run(*engine, request_for(joined(prompt, {3, 4, 5}), 5));
  EXPECT_GE(second.result.stats.reused_tokens, prompt.size() / 128 * 128);
  first_stream->cancel();
  const GenerationResult cancelled = read(*first_stream).result;
  EXPECT_EQ(cancelled.reason, FinishReason::cancelled);
  EXPECT_EQ(cancelled.cancelled_by, CancelReason::caller);
}

TEST(EngineBatch, ReusesToTheTokenWhatFinishedAndCancelledRequestsLeft) {
  const auto engine = load("base", {.step_tokens = 64});
  const Tokens prompt = some_prompts()[4];
  run(*engine, request_for(prompt, 10));
  Tokens changed = prompt;
  changed[200] ^= 1;
  const auto reused = run(*engine, request_for(changed, 5)).result.stats.reused_tokens;
  EXPECT_LE(reused, 200u);
  EXPECT_GE(reused, 199u);
}

// Also of a request that ends with its prompt, and with the rows of the MTP layer.
TEST(EngineBatch, LeavesAllOfAPromptWhenTheFirstTokenIsTheLast) {
  for (const char* golden_case : {"base", "mtp"}) {
    const auto engine = load(golden_case, {.step_tokens = 512});
    const Tokens prompt = some_prompts()[4];
    run(*engine, request_for(prompt, 1));
    EXPECT_GE(run(*engine, request_for(joined(prompt, {3, 4}), 1)).result.stats.reused_tokens, prompt.size() - 1);
  }
}

TEST(EngineBatch, NamespacesDoNotShare) {
  const auto engine = load("base");
  GenerationRequest request = request_for(some_prompts()[4], 4);
  request.name_space = "alice";
  const Tokens text = run(*engine, request).tokens;
  request.name_space = "bob";
  const Answer other = run(*engine, request);
  EXPECT_EQ(other.result.stats.reused_tokens, 0u);
  EXPECT_EQ(other.tokens, text);
  EXPECT_GT(run(*engine, request).result.stats.reused_tokens, 128u);
}

TEST(EngineBatch, EveryRequestHasItsOwnSamplingAndSeed) {
  const auto engine = load("base");
  std::vector<GenerationRequest> requests;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    GenerationRequest request = request_for(some_prompts()[seed % 4], 16);
    request.sampling.temperature = seed % 2 == 0 ? 1.0f : 0.7f;
    request.sampling.seed = seed;
    request.sampling.repeat_penalty = seed < 4 ? 1.0f : 1.3f;
    requests.push_back(request);
  }
  std::vector<Tokens> alone;
  for (const GenerationRequest& request : requests) alone.push_back(run(*load("base"), request).tokens);
  std::vector<std::shared_ptr<Stream>> streams;
  for (const GenerationRequest& request : requests) streams.push_back(engine->submit(request));
  for (std::size_t i = 0; i < streams.size(); ++i) EXPECT_EQ(read(*streams[i]).tokens, alone[i]) << i;
}

TEST(EngineBatch, ARequestBeyondTheQueueIsRefusedBeforeTheStepAtHandEnds) {
  const auto engine = load("base", {.parallel = 1, .queue = 2});
  std::vector<std::shared_ptr<Stream>> streams;
  for (int i = 0; i < 50; ++i) streams.push_back(engine->submit(request_for(some_prompts()[4], 200)));
  int refused = 0;
  for (const auto& stream : streams) {
    const std::optional<StreamEvent> event = stream->poll();  // submit() itself has refused it
    const auto* thrown = event ? std::get_if<std::exception_ptr>(&*event) : nullptr;
    if (thrown == nullptr) continue;
    EXPECT_ERROR(std::rethrow_exception(*thrown), ErrorKind::overloaded, HasSubstr("wait already"));
    EXPECT_TRUE(stream->ended());
    ++refused;
  }
  EXPECT_GE(refused, 40);
  EXPECT_LE(engine->metrics().waiting, 2);
}

TEST(EngineBatch, ARequestBehindItsDeadlineEndsWithAnError) {
  const Demo demo;
  const auto engine = demo.load(Speculation::off);
  GenerationRequest late = demo.long_request(*engine, 0);
  late.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_ERROR(run(*engine, late), ErrorKind::timeout, HasSubstr("deadline"));
  late.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(30);
  const auto stream = engine->submit(late);
  std::this_thread::sleep_until(late.deadline);
  EXPECT_ERROR(read(*stream), ErrorKind::timeout, HasSubstr("deadline"));
}

TEST(EngineBatch, AContextThatWasAskedForIsKeptOrRefused) {
  const std::size_t block = settled(*load("base")).block_bytes;
  EXPECT_ERROR(load("base", {.context = 300, .cache_memory = 3 * block}), ErrorKind::invalid_request,
               HasSubstr(fmt::format("300 tokens take {} bytes", 4 * block)));
  EXPECT_EQ(load("base", {.context = 256, .cache_memory = 3 * block})->info().context, 256u);
  const auto shrunk = load("base", {.cache_memory = 3 * block});
  EXPECT_EQ(shrunk->info().context, 256u);
  EXPECT_EQ(shrunk->info().model_context, 512u);
}

TEST(EngineBatch, APromptThatDoesNotFitTheCacheIsRefused) {
  const std::size_t block = settled(*load("base")).block_bytes;
  EXPECT_ERROR(load("base", {.cache_memory = block}), ErrorKind::invalid_request, HasSubstr("cache memory"));
  const auto small = load("base", {.cache_memory = 2 * block});
  EXPECT_EQ(small->info().context, 128u);
  EXPECT_ERROR(run(*small, request_for(some_prompts()[4])), ErrorKind::invalid_request, HasSubstr("holds 128"));
  EXPECT_EQ(run(*small, request_for(first(some_prompts()[4], 100), 0)).result.stats.generated_tokens, 28u);
}

// Streams that come, go and share, with evictions; none gets another's tokens, and every block comes back.
// GLIMT_STRESS=1: 200 streams at once, 10,000 requests.
TEST(EngineBatch, ManyStreamsLoseMixAndKeepNothing) {
  const std::vector<Tokens> prompts = some_prompts();
  const auto reference = load("base");
  std::vector<Tokens> wanted;
  for (const Tokens& prompt : prompts) wanted.push_back(run(*reference, request_for(prompt, 12)).tokens);
  const std::size_t block = settled(*reference).block_bytes;
  const bool stress = std::getenv("GLIMT_STRESS") != nullptr;
  const int clients_count = stress ? 200 : 8, requests = stress ? 50 : 60;
  const auto engine = load("base", {.cache_memory = (stress ? 250 : 24) * block,
                                    .parallel = stress ? 200 : 16,
                                    .queue = 1000,
                                    .step_tokens = stress ? 512 : 128});
  std::atomic<int> wrong = 0, cancelled = 0;
  std::vector<std::thread> clients;
  for (int t = 0; t < clients_count; ++t) {
    clients.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < requests; ++i) {
        const std::size_t which = random() % prompts.size(), stop_at = random() % 24;
        const auto stream = engine->submit(request_for(prompts[which], 12));
        Answer answer;
        while (const std::optional<StreamEvent> event = stream->next()) {
          if (const auto* token = std::get_if<TokenEvent>(&*event)) answer.tokens.push_back(token->token);
          if (const auto* result = std::get_if<GenerationResult>(&*event)) answer.result = *result;
          if (std::holds_alternative<std::exception_ptr>(*event)) ++wrong;
          if (answer.tokens.size() == stop_at) stream->cancel();
        }
        const bool whole = answer.result.reason == FinishReason::length;
        if (!whole) ++cancelled;
        if (whole ? answer.tokens != wanted[which] : answer.tokens != first(wanted[which], answer.tokens.size()))
          ++wrong;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(cancelled, 0);
  if (stress)
    std::printf("%d requests, %d cancelled, %d wrong\n", clients_count * requests, cancelled.load(), wrong.load());
  const EngineMetrics metrics = settled(*engine);
  EXPECT_EQ(metrics.free_blocks + metrics.cached_blocks, metrics.blocks);
}

TEST(EngineLife, EndingTheEngineEndsItsStreams) {
  auto engine = Engine::load(golden_folder("base"), {});
  const auto running = engine->submit(request_for(some_prompts()[4], 0));
  const auto waiting = engine->submit(request_for(some_prompts()[4], 0));
  engine.reset();
  for (const auto& stream : {running, waiting}) {
    const GenerationResult result = read(*stream).result;
    EXPECT_EQ(result.reason, FinishReason::cancelled);
    EXPECT_EQ(result.cancelled_by, CancelReason::shutdown);
  }
  running->cancel();  // of nobody
}

TEST(EngineLife, HealthTellsASlowStep) {
  const auto engine = load("base");
  EXPECT_TRUE(engine->health().ok);
  run(*engine, request_for(some_prompts()[0], 2));
  settled(*engine);
  EXPECT_GE(engine->health().idle_seconds, 0);
  const auto strict =
      load("base", {.stall_limit = std::chrono::milliseconds(0), .step_limit = std::chrono::milliseconds(0)});
  const auto stream = strict->submit(request_for(some_prompts()[4], 0));
  bool seen = false;
  for (bool ended = false; !seen && !ended;) {
    seen = !strict->health().ok;
    const std::optional<StreamEvent> event = stream->next(std::chrono::steady_clock::now());
    ended = event && std::holds_alternative<GenerationResult>(*event);
  }
  EXPECT_TRUE(seen);
}

TEST(EngineLife, AModelThatDoesNotLoadIsAnError) {
  EXPECT_ERROR(Engine::load("/nowhere", {}), ErrorKind::not_found, HasSubstr("/nowhere"));
}

// ---- Constrained answers, in a batch, with guesses and restarts

TEST(EngineGrammar, ConstrainedAndFreeAnswersShareABatchAndGuessesChangeNothing) {
  const Demo demo;
  std::map<Speculation, std::vector<Tokens>> texts;
  for (const Speculation speculation : {Speculation::off, Speculation::adaptive, Speculation::always}) {
    const auto engine = demo.load(speculation);
    const auto environment =
        std::make_shared<const GrammarEnvironment>(demo.tokenizer, engine->info().vocab_size, engine->info().eos);
    const Grammar digits = Grammar::regex(environment, "[0-9]{3}(-[0-9]{2}){4}");
    const Grammar object = Grammar::json_schema(
        environment,
        parse_json(R"({"type": "object", "properties": {"a": {"enum": ["x", "y"]}, "b": {"type": "boolean"}},
                                    "required": ["a", "b"], "additionalProperties": false})",
                   "schema"));
    std::vector<std::shared_ptr<Stream>> streams;
    for (int i = 0; i < 6; ++i) {
      GenerationRequest request = demo.request(*engine, "What is the capital of Norway? " + std::to_string(i / 3));
      if (i % 3 == 1) request.grammar = digits;
      if (i % 3 == 2) request.grammar = object;
      request.sampling.temperature = i < 3 ? 0.0f : 1.0f;
      request.sampling.seed = 7;
      streams.push_back(engine->submit(request));
    }
    for (std::size_t i = 0; i < streams.size(); ++i) {
      const Answer answer = read(*streams[i]);
      texts[speculation].push_back(answer.tokens);
      std::string text;
      for (const TokenId token : answer.tokens) text += demo.tokenizer.piece(token);
      if (i % 3 == 0) continue;
      EXPECT_EQ(answer.result.reason, FinishReason::stop);
      if (i % 3 == 1) {
        EXPECT_TRUE(std::regex_match(text, std::regex("[0-9]{3}(-[0-9]{2}){4}"))) << text;
      } else {
        EXPECT_EQ(parse_json(text, "answer").as_object().size(), 2u) << text;
      }
    }
  }
  EXPECT_EQ(texts[Speculation::adaptive], texts[Speculation::off]);
  EXPECT_EQ(texts[Speculation::always], texts[Speculation::off]);
}

TEST(EngineGrammar, OfAnotherVocabularyIsRefused) {
  const Demo demo;
  const auto engine = load("base");
  const auto environment = std::make_shared<const GrammarEnvironment>(
      demo.tokenizer, demo.tokenizer.vocab_size(), std::vector<TokenId>{*demo.tokenizer.token_id("<|user|>")});
  GenerationRequest request = request_for(golden_row("base", "input_ids", 0));
  request.grammar = Grammar::regex(environment, "a");
  EXPECT_ERROR(run(*engine, request), ErrorKind::invalid_request, HasSubstr("vocabulary"));
}

// ---- Guesses do not bend what is sampled

TEST(EngineSampling, WithGuessesEverySeedGivesItsText) {
  const Demo demo;
  const auto plain = demo.load(Speculation::off), adaptive = demo.load(Speculation::adaptive),
             always = demo.load(Speculation::always);
  std::vector<std::array<std::shared_ptr<Stream>, 3>> streams;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    GenerationRequest request = demo.request(*plain, "Tell me about the sea. ");
    request.sampling.temperature = 1;
    request.sampling.seed = seed;
    request.sampling.repeat_penalty = seed % 2 == 0 ? 1.0f : 1.2f;
    request.sampling.top_p = seed % 3 == 0 ? 0.9f : 1.0f;
    streams.push_back({plain->submit(request), adaptive->submit(request), always->submit(request)});
  }
  std::size_t accepted = 0;
  for (const auto& [a, b, c] : streams) {
    const Answer unguessed = read(*a);
    const Tokens& text = unguessed.tokens;
    EXPECT_EQ(unguessed.guessed, 0u);
    EXPECT_EQ(read(*b).tokens, text);
    const Answer answer = read(*c);
    EXPECT_EQ(answer.tokens, text);
    accepted += answer.result.stats.accepted;
    EXPECT_LE(answer.guessed, answer.result.stats.accepted);
    EXPECT_LE(answer.result.stats.accepted, answer.guessed + 1);  // the end token is none of the events'
  }
  EXPECT_GT(accepted, 30u);  // guesses did decide; how many were ready in time is the machine's matter
  EXPECT_EQ(settled(*plain).speculation_speedup(), 1);
  EXPECT_GT(settled(*plain).plain_decode_seconds, 0);
  const EngineMetrics metrics = settled(*always);
  EXPECT_GT(metrics.decode_seconds, 0);
  EXPECT_GT(metrics.speculation_speedup(), 0);
  EXPECT_NE(metrics.speculation_speedup(), 1);
}

// Other seeds than without guesses, the same distribution: a chi-squared test of two samples of the third token, the
// first that a guess can bring.
TEST(EngineSampling, TokensThatGuessesBroughtAreDistributedAsTheOthers) {
  const Demo demo;
  constexpr std::uint64_t kSamples = 1500;
  std::array<std::map<TokenId, double>, 2> counts;
  for (const int guesses : {0, 1}) {
    const auto engine = demo.load(guesses == 1 ? Speculation::always : Speculation::off);
    std::vector<std::shared_ptr<Stream>> streams;
    const auto collect = [&] {
      for (const auto& stream : streams) {
        const Tokens tokens = read(*stream).tokens;
        if (tokens.size() == 3) ++counts[static_cast<std::size_t>(guesses)][tokens[2]];
      }
      streams.clear();
    };
    for (std::uint64_t i = 0; i < kSamples; ++i) {
      GenerationRequest request = demo.request(*engine, "Name a colour: ");
      request.max_tokens = 3;
      request.sampling.temperature = 1.5f;
      request.sampling.top_k = 8;
      request.sampling.seed = 2 * i + static_cast<std::uint64_t>(guesses);
      streams.push_back(engine->submit(request));
      if (streams.size() == 100) collect();
    }
    collect();
  }
  std::map<TokenId, std::array<double, 2>> table;
  for (const std::size_t side : {0u, 1u}) {
    for (const auto& [token, count] : counts[side]) table[token][side] += count;
  }
  std::array<double, 2> totals{}, rest{};
  for (const auto& [token, both] : table) totals = {totals[0] + both[0], totals[1] + both[1]};
  double statistic = 0;
  int cells = 0;
  const auto add = [&](const std::array<double, 2>& both) {
    const double all = both[0] + both[1];
    for (const std::size_t side : {0u, 1u}) {
      const double expected = all * totals[side] / (totals[0] + totals[1]);
      statistic += (both[side] - expected) * (both[side] - expected) / expected;
    }
    ++cells;
  };
  for (const auto& [token, both] : table) {
    if (both[0] + both[1] >= 20) {
      add(both);
    } else {
      rest = {rest[0] + both[0], rest[1] + both[1]};
    }
  }
  if (rest[0] + rest[1] >= 20) add(rest);
  const double freedom = cells - 1;
  ASSERT_GE(freedom, 5);
  // Wilson and Hilferty's normal approximation; 4 sigma.
  const double z = (std::cbrt(statistic / freedom) - (1 - 2 / (9 * freedom))) / std::sqrt(2 / (9 * freedom));
  EXPECT_LT(z, 4) << statistic << " with " << freedom << " degrees of freedom";
}

// ---- An answer that only repeats itself

TEST(EngineRobust, ARunawayRepetitionEndsTheAnswer) {
  Checkpoint checkpoint = Checkpoint::read("base");
  // One token is far likelier than all others, whatever came before.
  const mx::array rows = mx::reshape(mx::arange(0, 320, mx::int32), {320, 1});
  const mx::array weight = checkpoint.at("lm_head.weight");
  checkpoint.set("lm_head.weight", mx::where(mx::equal(rows, mx::array(9)), mx::zeros_like(weight), weight));
  checkpoint.config["max_position_embeddings"] = 4096;
  const auto engine = load(checkpoint);
  GenerationRequest request = request_for(golden_row("base", "input_ids", 0), 0);
  request.sampling.logit_bias[9] = 100;
  const Answer answer = run(*engine, request);
  EXPECT_EQ(answer.result.reason, FinishReason::repetition);
  EXPECT_GE(answer.tokens.size(), 512u);
  EXPECT_LT(answer.tokens.size(), 1000u);
  request.stop_repetition = false;
  request.max_tokens = 1200;
  EXPECT_EQ(run(*engine, request).result.reason, FinishReason::length);
}

// ---- Thinking budget

TEST_F(EngineTest, TheThinkingIsClosedWhenItsBudgetIsSpent) {
  for (const std::size_t budget : {0u, 3u}) {
    GenerationRequest request = request_for(prompt_, 10);
    request.thinking_budget = ThinkingBudget{budget, 7};
    const Tokens text = run(*engine_, request).tokens;
    EXPECT_EQ(first(text, budget), first(wanted_, budget));
    EXPECT_EQ(text[budget], 7);
    EXPECT_EQ(text.size(), 10u);
    GenerationRequest plain = request_for(joined(prompt_, first(text, budget + 1)), 10 - budget - 1);
    EXPECT_EQ(Tokens(text.begin() + static_cast<std::ptrdiff_t>(budget) + 1, text.end()), run(*engine_, plain).tokens);
  }
  GenerationRequest enough = request_for(prompt_, 10);
  enough.thinking_budget = ThinkingBudget{5, wanted_[2]};  // closes by itself
  EXPECT_EQ(run(*engine_, enough).tokens, first(wanted_, 10));
}

// ---- Drafts of the MTP layer

struct Drafts {
  std::size_t drafted = 0, accepted = 0;
};

// Straight from the model: what the MTP layer says at position i about the token at i + 2, for the tokens of `answer`
// behind the first. A right guess brings the next token with it, and no guess about that one is made.
Drafts drafts_of(const CausalLm& model, const Tokens& prompt, const Tokens& answer) {
  const Tokens all = joined(prompt, answer);
  const int length = static_cast<int>(all.size());
  const mx::array ids(all.data(), {1, length}, mx::int32);
  const mx::array hidden = mx::slice(hidden_for(model, ids), {0, 0, 0}, {1, length - 1, model.config().hidden_size});
  const mx::array guesses =
      mx::astype(mx::argmax(mtp_logits_for(model, hidden, mx::slice(ids, {0, 1}, {1, length})), -1), mx::int32);
  kernels::evaluate({guesses});
  Drafts drafts;
  for (std::size_t at = prompt.size() + 1; at < all.size(); ++at) {
    // `at` is the token that the guess made behind at - 2 is about; the last token leaves no room for another.
    if (at + 1 == all.size()) break;
    ++drafts.drafted;
    if (guesses.data<TokenId>()[at - 2] != all[at]) continue;
    ++drafts.accepted;
    ++at;
  }
  return drafts;
}

class DraftTest : public testing::Test {
 protected:
  void expect_drafts(Engine& engine, const Tokens& prompt) {
    const Answer answer = run(engine, request_for(prompt, 24));
    const Drafts wanted = drafts_of(*model_.model, prompt, answer.tokens);
    const GenerationStats& stats = answer.result.stats;
    EXPECT_EQ(answer.tokens, run(*plain_, request_for(prompt, 24)).tokens);
    EXPECT_EQ(answer.tokens.size(), 24u);
    // A guess that is right saves the step that would have made the next one.
    EXPECT_EQ(stats.accepted, wanted.accepted);
    EXPECT_EQ(stats.drafted, wanted.drafted);
  }

  static CleanEngine engine(Speculation speculation, int step_tokens = 512) {
    return load(repetitive_mtp(), {.step_tokens = step_tokens, .speculation = speculation});
  }

  LoadedModel model_ = repetitive_mtp().load();
  CleanEngine plain_ = engine(Speculation::off), drafting_ = engine(Speculation::always);
  Tokens prompt_ = golden_row("mtp", "input_ids", 0);
};

TEST_F(DraftTest, AreThoseOfTheModelInEveryPrefillChunkAndCacheState) {
  const Tokens other = golden_row("mtp", "input_ids", 1);
  for (const int chunk : {9, 10, 31, 512}) {  // a last chunk of one token would be a guess more
    SCOPED_TRACE(chunk);
    expect_drafts(*engine(Speculation::always, chunk), prompt_);
  }
  for (const Tokens& prompt :
       {prompt_, prompt_, joined(first(prompt_, 20), first(other, 9)), first(prompt_, 10), first(prompt_, 1), other,
        joined(joined(joined(prompt_, other), joined(prompt_, other)), prompt_),
        joined(joined(joined(prompt_, other), joined(prompt_, other)), prompt_)}) {
    SCOPED_TRACE(prompt.size());
    expect_drafts(*drafting_, prompt);
  }
  EXPECT_GT(settled(*drafting_).accepted, 0u);  // the count is of something
}

// Several answers to one prompt, as "n" of an API asks for them.
TEST(EngineSharing, APromptThatSeveralAskAtOnceIsComputedOnce) {
  const std::vector<Tokens> prompts = some_prompts();
  const Tokens& prompt = prompts[6];
  ASSERT_GT(prompt.size(), 200u);
  const auto engine = load("base", {.step_tokens = 64});
  std::vector<std::shared_ptr<Stream>> streams;
  for (int i = 0; i < 6; ++i) streams.push_back(engine->submit(request_for(prompt, 20)));
  const std::shared_ptr<Stream> other = engine->submit(request_for(prompts[1], 20));
  const Tokens wanted = run(*load("base"), request_for(prompt, 20)).tokens;
  std::size_t reused = 0;
  for (const auto& stream : streams) {
    const Answer answer = read(*stream);
    EXPECT_EQ(answer.tokens, wanted);
    reused += answer.result.stats.reused_tokens;
  }
  EXPECT_EQ(read(*other).tokens, run(*load("base"), request_for(prompts[1], 20)).tokens);
  const std::size_t each = prompt.size() % kernels::kBlockRows + kernels::kBlockRows;
  EXPECT_GE(reused, 5 * (prompt.size() - each));
  EXPECT_LE(settled(*engine).prompt_tokens, prompt.size() + 5 * each + prompts[1].size());
}

TEST(EngineSharing, TheOneThatComputesMayBeCancelled) {
  const Tokens prompt = some_prompts()[6];
  const auto engine = load("base", {.step_tokens = 16});
  const auto leader = engine->submit(request_for(prompt, 20)), follower = engine->submit(request_for(prompt, 20));
  leader->cancel();
  EXPECT_EQ(read(*follower).tokens, run(*load("base"), request_for(prompt, 20)).tokens);
}

TEST(EngineSharing, WaitingPaysForAQuarterOfWhatIsLeft) {
  const auto range = [](int from, int count) {
    Tokens tokens;
    for (int i = 0; i < count; ++i) tokens.push_back(from + i);
    return tokens;
  };
  const Tokens shared = range(0, 64);
  const Tokens one = joined(shared, range(1000, 50)), two = joined(shared, range(2000, 50));
  EXPECT_TRUE(pays_to_wait(one, 0, {two, 0}, 32));
  EXPECT_TRUE(pays_to_wait(one, 32, {two, 16}, 32));  // 32 of 82
  EXPECT_FALSE(pays_to_wait(one, 64, {two, 0}, 32));  // it has them
  EXPECT_FALSE(pays_to_wait(one, 0, {two, 64}, 32));  // the other has computed them: they are in the cache
  EXPECT_FALSE(pays_to_wait(one, 0, {two, 40}, 32));  // 24 of 114
  EXPECT_FALSE(pays_to_wait(one, 0, {range(1, 64), 0}, 32));
  EXPECT_FALSE(pays_to_wait(range(0, 31), 0, {shared, 0}, 32));  // no full block
  EXPECT_TRUE(pays_to_wait(range(0, 32), 0, {shared, 0}, 32));
  EXPECT_FALSE(pays_to_wait({}, 0, {shared, 0}, 32));
}

}  // namespace
}  // namespace glimt
