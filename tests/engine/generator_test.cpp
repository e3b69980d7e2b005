#include "engine/generator.h"

#include "base/throws.h"
#include "model/checkpoint.h"

#include <cmath>
#include <limits>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Tokens = std::vector<TokenId>;

Tokens golden_row(const std::string& golden_case, const std::string& name, int row) {
  const mx::array all = SafetensorsFile(golden_file(golden_case)).array(name);
  const auto length = static_cast<std::size_t>(all.shape(1));
  const auto* first = all.data<TokenId>() + static_cast<std::size_t>(row) * length;
  return {first, first + length};
}

SamplingParams greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

struct Answer {
  Tokens tokens;
  std::vector<float> logprobs;
  GenerationResult result;
};

Answer run(Generator& generator, const GenerationRequest& request) {
  Answer answer;
  answer.result = generator.generate(request, {}, [&](const TokenEvent& event) {
    answer.tokens.push_back(event.token);
    answer.logprobs.push_back(event.logprob);
    return true;
  });
  return answer;
}

GenerationRequest request_for(const Tokens& prompt, std::size_t max_tokens = 16) {
  GenerationRequest request;
  request.prompt = prompt;
  request.sampling = greedy();
  request.max_tokens = max_tokens;
  return request;
}

std::unique_ptr<Generator> load(const std::string& golden_case, std::size_t context = 0) {
  return Generator::load(golden_folder(golden_case), {.exact = true, .context = context});
}

Tokens joined(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

Tokens first(const Tokens& tokens, std::size_t count) {
  return {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(count)};
}

class GeneratorTest : public testing::Test {
 protected:
  std::unique_ptr<Generator> generator_ = load("base");
  Tokens prompt_ = golden_row("base", "input_ids", 0);
  Tokens wanted_ = golden_row("base", "greedy", 0);
};

TEST_F(GeneratorTest, GreedyTextIsThatOfTheReferenceInEveryPrefillChunk) {
  for (const std::size_t chunk : {1u, 2u, 7u, 32u, 33u, 512u}) {
    SCOPED_TRACE(chunk);
    GenerationRequest request = request_for(prompt_, wanted_.size());
    request.prefill_chunk = chunk;
    const Answer answer = run(*load("base"), request);
    EXPECT_EQ(answer.tokens, wanted_);
    EXPECT_EQ(answer.result.reason, FinishReason::length);
    EXPECT_EQ(answer.result.stats.prompt_tokens, prompt_.size());
    EXPECT_EQ(answer.result.stats.reused_tokens, 0u);
    EXPECT_EQ(answer.result.stats.generated_tokens, wanted_.size());
    EXPECT_EQ(answer.result.stats.drafted, 0u);
  }
}

// The same with the rounded cache and the kernels that round activations, which is how answers are made.
TEST_F(GeneratorTest, GreedyTextDoesNotDependOnThePrefillChunkWithQuantizedWeights) {
  std::optional<Tokens> text;
  for (const std::size_t chunk : {1u, 5u, 16u, 512u}) {
    GenerationRequest request = request_for(prompt_, 24);
    request.prefill_chunk = chunk;
    const auto generator = Generator::load(golden_folder("base_affine4_g64"), {});
    const Answer answer = run(*generator, request);
    if (!text) text = answer.tokens;
    EXPECT_EQ(answer.tokens, *text) << chunk;
  }
}

TEST_F(GeneratorTest, PrefillReportsItsProgress) {
  GenerationRequest request = request_for(prompt_, 1);
  request.prefill_chunk = 10;
  std::vector<std::pair<std::size_t, std::size_t>> seen;
  generator_->generate(
      request, [&](std::size_t done, std::size_t total) { return seen.emplace_back(done, total), true; },
      [](const TokenEvent&) { return true; });
  EXPECT_THAT(seen, ElementsAre(std::pair(0u, 33u), std::pair(10u, 33u), std::pair(20u, 33u), std::pair(30u, 33u),
                                std::pair(33u, 33u)));
}

// Conversations that share a beginning with what the caches hold, each followed by the same on a cold generator.
TEST_F(GeneratorTest, AReusedPrefixGivesTheTokensOfAColdStart) {
  const Tokens other = golden_row("base", "input_ids", 1);
  run(*generator_, request_for(prompt_, 10));
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
    const Answer warm = run(*generator_, request_for(step.prompt, 8));
    EXPECT_EQ(warm.result.stats.reused_tokens, step.reused);
    EXPECT_EQ(warm.tokens, run(*load("base"), request_for(step.prompt, 8)).tokens);
  }
}

TEST_F(GeneratorTest, StopsAtAnEndTokenAndDoesNotReportIt) {
  GenerationRequest request = request_for(prompt_, 24);
  std::size_t at = 2;
  while (std::find(wanted_.begin(), wanted_.begin() + static_cast<std::ptrdiff_t>(at), wanted_[at]) !=
         wanted_.begin() + static_cast<std::ptrdiff_t>(at)) {
    ++at;  // one that did not come before
  }
  request.eos = {1, wanted_[at], 2};
  const Answer answer = run(*generator_, request);
  EXPECT_EQ(answer.tokens, first(wanted_, at));
  EXPECT_EQ(answer.result.reason, FinishReason::stop);
  EXPECT_EQ(answer.result.stats.generated_tokens, at + 1);
}

TEST_F(GeneratorTest, StopsBehindTheTokenThatTheCallerRefuses) {
  Tokens seen;
  const GenerationResult result = generator_->generate(request_for(prompt_, 24), {}, [&](const TokenEvent& event) {
    seen.push_back(event.token);
    return seen.size() < 3;
  });
  EXPECT_EQ(seen, first(wanted_, 3));
  EXPECT_EQ(result.reason, FinishReason::stop);
  EXPECT_EQ(run(*generator_, request_for(prompt_, 24)).tokens, wanted_);
}

TEST_F(GeneratorTest, CanBeCancelledBetweenChunksOfThePromptAndGoesOnFromThere) {
  for (const std::size_t stop_at : {0u, 10u, 20u, 33u}) {
    SCOPED_TRACE(stop_at);
    const auto generator = load("base");
    GenerationRequest request = request_for(prompt_, 24);
    request.prefill_chunk = 10;
    bool token_came = false;
    const GenerationResult result = generator->generate(
        request, [&](std::size_t done, std::size_t) { return done < stop_at; },
        [&](const TokenEvent&) { return token_came = true; });
    EXPECT_EQ(result.reason, FinishReason::cancelled);
    EXPECT_FALSE(token_came);
    const Answer answer = run(*generator, request);
    EXPECT_EQ(answer.tokens, wanted_);
    EXPECT_EQ(answer.result.stats.reused_tokens, std::min<std::size_t>(stop_at, 32));
  }
}

TEST_F(GeneratorTest, EndsWhereTheContextEnds) {
  const auto small = load("base", prompt_.size() + 5);
  EXPECT_EQ(small->max_context(), prompt_.size() + 5);
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

TEST_F(GeneratorTest, AContextBeyondTheModelsIsRefused) {
  EXPECT_EQ(generator_->max_context(), 512u);
  EXPECT_ERROR(load("base", 513), ErrorKind::invalid_request, HasSubstr("513"));
  EXPECT_NO_THROW(load("base", 512));
}

TEST_F(GeneratorTest, ImpossibleRequestsAreRefusedAndDoNoHarm) {
  const auto refused = [&](const GenerationRequest& request, ErrorKind kind, const char* words) {
    EXPECT_ERROR(run(*generator_, request), kind, HasSubstr(words));
  };
  run(*generator_, request_for(prompt_, 3));
  refused(request_for({}), ErrorKind::invalid_request, "prompt");
  refused(request_for({3, 320}), ErrorKind::invalid_request, "token 320");
  refused(request_for({3, -1}), ErrorKind::invalid_request, "token -1");
  refused(request_for(Tokens(512, 3)), ErrorKind::invalid_request, "512 tokens");
  GenerationRequest request = request_for(prompt_);
  request.prefill_chunk = 0;
  refused(request, ErrorKind::invalid_request, "prefill_chunk");
  request = request_for(prompt_);
  request.measure_drafts = true;
  refused(request, ErrorKind::unsupported, "MTP");
  request = request_for(prompt_);
  request.sampling.temperature = -1;
  refused(request, ErrorKind::invalid_request, "temperature");
  const Answer answer = run(*generator_, request_for(prompt_, wanted_.size()));
  EXPECT_EQ(answer.tokens, wanted_);
  EXPECT_EQ(answer.result.stats.reused_tokens, prompt_.size() - 1);  // the caches were left alone
}

// A token whose embedding is broken makes every position behind it NaN (or infinite).
TEST_F(GeneratorTest, BrokenNumbersEndTheRequestAndTheNextOneWorks) {
  constexpr TokenId kBroken = 7;
  for (const float poison : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    Checkpoint checkpoint = Checkpoint::read("base");
    const mx::array rows = mx::reshape(mx::arange(0, 320, mx::int32), {320, 1});
    checkpoint.set("model.embed_tokens.weight", mx::where(mx::equal(rows, mx::array(kBroken)), mx::array(poison),
                                                          checkpoint.at("model.embed_tokens.weight")));
    const TemporaryFolder folder;
    checkpoint.write(folder.path());
    const auto generator = Generator::load(folder.path(), {.exact = true});
    Tokens clean = prompt_;
    std::replace(clean.begin(), clean.end(), kBroken, TokenId{8});
    const Tokens text = run(*generator, request_for(clean, 6)).tokens;
    EXPECT_EQ(text.size(), 6u);

    Tokens broken = clean;
    broken[20] = kBroken;
    for (const std::size_t chunk : {512u, 4u}) {
      GenerationRequest request = request_for(broken, 6);
      request.prefill_chunk = chunk;
      EXPECT_ERROR(run(*generator, request), ErrorKind::internal, testing::Not(testing::IsEmpty()));
    }
    EXPECT_EQ(run(*generator, request_for(clean, 6)).tokens, text);
  }
}

TEST_F(GeneratorTest, AnExceptionOfTheCallerPassesThroughAndTheNextRequestWorks) {
  EXPECT_THROW(generator_->generate(request_for(prompt_), {},
                                    [](const TokenEvent&) -> bool { throw std::runtime_error("mine"); }),
               std::runtime_error);
  EXPECT_THROW(generator_->generate(
                   request_for(prompt_), [](std::size_t, std::size_t) -> bool { throw std::runtime_error("mine"); },
                   [](const TokenEvent&) { return true; }),
               std::runtime_error);
  EXPECT_EQ(run(*generator_, request_for(prompt_, wanted_.size())).tokens, wanted_);
}

TEST_F(GeneratorTest, TheSameSeedGivesTheSameTextWarmOrCold) {
  GenerationRequest request = request_for(prompt_, 20);
  request.sampling.temperature = 1;
  request.sampling.seed = 5;
  const Tokens text = run(*generator_, request).tokens;
  EXPECT_EQ(run(*generator_, request).tokens, text);
  request.prefill_chunk = 3;
  EXPECT_EQ(run(*load("base"), request).tokens, text);
  request.sampling.seed = 6;
  EXPECT_NE(run(*generator_, request).tokens, text);
}

TEST_F(GeneratorTest, LogprobsAreThoseOfTheModel) {
  GenerationRequest request = request_for(prompt_, 3);
  request.sampling.logprobs = true;
  request.sampling.top_logprobs = 4;
  std::vector<TokenEvent> events;
  generator_->generate(request, {}, [&](const TokenEvent& event) { return events.push_back(event), true; });
  ASSERT_EQ(events.size(), 3u);
  const mx::array logits = SafetensorsFile(golden_file("base")).array("logits");
  const float* last = logits.data<float>() + 32 * 320;  // of the first row's last position
  double sum = 0;
  for (int i = 0; i < 320; ++i) sum += std::exp(static_cast<double>(last[i]));
  EXPECT_NEAR(events[0].logprob, last[wanted_[0]] - std::log(sum), 1e-3);
  ASSERT_EQ(events[0].top.size(), 4u);
  EXPECT_EQ(events[0].top[0].token, wanted_[0]);
  EXPECT_EQ(events[0].top[0].logprob, events[0].logprob);
}

TEST_F(GeneratorTest, SaysWhatItHolds) {
  EXPECT_EQ(generator_->vocab_size(), 320u);
  EXPECT_FALSE(generator_->has_mtp());
  EXPECT_THAT(generator_->eos_tokens(), ElementsAre(2));
  EXPECT_GT(generator_->weight_bytes(), std::size_t{1} << 20);
  EXPECT_EQ(generator_->cache_bytes(), 0u);
  run(*generator_, request_for(prompt_, 1));
  EXPECT_EQ(generator_->cache_bytes(), 3u * kernels::kBlockRows * 80 * sizeof(float));
}

TEST_F(GeneratorTest, EndTokensOfBothConfigurationsAreJoined) {
  Checkpoint checkpoint = Checkpoint::read("base");
  const TemporaryFolder folder;
  checkpoint.config["eos_token_id"] = {2, 5};
  checkpoint.write(folder.path());
  folder.write("generation_config.json", R"({"eos_token_id": [5, 9], "temperature": 0.5})");
  EXPECT_THAT(Generator::load(folder.path(), {})->eos_tokens(), ElementsAre(2, 5, 9));
  folder.write("generation_config.json", R"({"eos_token_id": 9})");
  EXPECT_THAT(Generator::load(folder.path(), {})->eos_tokens(), ElementsAre(2, 5, 9));
  folder.write("generation_config.json", R"({"eos_token_id": 320})");
  EXPECT_ERROR(Generator::load(folder.path(), {}), ErrorKind::bad_file, HasSubstr("eos_token_id"));
  folder.write("generation_config.json", "{");
  EXPECT_ERROR(Generator::load(folder.path(), {}), ErrorKind::bad_file, HasSubstr("generation_config.json"));
}

// ---- Drafts of the MTP layer

struct Drafts {
  std::size_t drafted = 0, accepted = 0;
};

// Straight from the model: what the MTP layer says at position i about the token at i + 2, for the tokens of `answer`
// behind the first.
Drafts drafts_of(const CausalLm& model, const Tokens& prompt, const Tokens& answer) {
  const Tokens all = joined(prompt, answer);
  const int length = static_cast<int>(all.size());
  const mx::array ids(all.data(), {1, length}, mx::int32);
  const mx::array hidden = mx::slice(hidden_for(model, ids), {0, 0, 0}, {1, length - 1, model.config().hidden_size});
  const mx::array guesses =
      mx::astype(mx::argmax(mtp_logits_for(model, hidden, mx::slice(ids, {0, 1}, {1, length})), -1), mx::int32);
  mx::eval(guesses);
  Drafts drafts;
  for (std::size_t at = prompt.size() + 1; at < all.size(); ++at) {
    ++drafts.drafted;
    if (guesses.data<TokenId>()[at - 2] == all[at]) ++drafts.accepted;
  }
  return drafts;
}

class DraftTest : public testing::Test {
 protected:
  GenerationRequest request(const Tokens& prompt, std::size_t chunk = 512) const {
    GenerationRequest request = request_for(prompt, 24);
    request.measure_drafts = true;
    request.prefill_chunk = chunk;
    return request;
  }

  void expect_drafts(Generator& generator, const GenerationRequest& asked) const {
    const Answer answer = run(generator, asked);
    const Drafts wanted = drafts_of(generator.model(), asked.prompt, answer.tokens);
    EXPECT_EQ(answer.result.stats.drafted, wanted.drafted);
    EXPECT_EQ(answer.result.stats.accepted, wanted.accepted);
    EXPECT_EQ(answer.result.stats.drafted, answer.tokens.size() - 1);
    Generator& cold = *cold_;
    GenerationRequest plain = asked;
    plain.measure_drafts = false;
    EXPECT_EQ(answer.tokens, run(cold, plain).tokens);
  }

  // A model whose MTP layer is right now and then: its answers are few different tokens.
  static Checkpoint repetitive() {
    Checkpoint checkpoint = Checkpoint::read("mtp");
    const mx::array few = mx::less(mx::reshape(mx::arange(0, 320, mx::int32), {320, 1}), mx::array(4));
    for (const char* head : {"lm_head.weight", "model.layers.3.shared_head.head.weight"}) {
      checkpoint.set(head, mx::where(few, mx::multiply(checkpoint.at(head), mx::array(20.0f)), checkpoint.at(head)));
    }
    return checkpoint;
  }

  std::unique_ptr<Generator> generator_ =
      std::make_unique<Generator>(repetitive().load().model, GeneratorOptions{.exact = true});
  std::unique_ptr<Generator> cold_ =
      std::make_unique<Generator>(repetitive().load().model, GeneratorOptions{.exact = true});
  Tokens prompt_ = golden_row("mtp", "input_ids", 0);
};

TEST_F(DraftTest, AreCountedAsTheModelComputesThemInEveryPrefillChunk) {
  for (const std::size_t chunk : {1u, 2u, 7u, 32u, 512u}) {
    SCOPED_TRACE(chunk);
    Generator fresh(repetitive().load().model, {.exact = true});
    expect_drafts(fresh, request(prompt_, chunk));
  }
  EXPECT_GT(run(*generator_, request(prompt_)).result.stats.accepted, 0u);  // the count is of something
}

TEST_F(DraftTest, AreRightBehindAReusedPrefix) {
  const Tokens other = golden_row("mtp", "input_ids", 1);
  expect_drafts(*generator_, request(prompt_));
  expect_drafts(*generator_, request(prompt_));
  expect_drafts(*generator_, request(joined(first(prompt_, 20), first(other, 9)), 4));
  expect_drafts(*generator_, request(first(prompt_, 10)));
  expect_drafts(*generator_, request(first(prompt_, 1)));
  expect_drafts(*generator_, request(other));
}

TEST_F(DraftTest, AreRightBehindARequestThatDidNotMeasureThem) {
  GenerationRequest plain = request(prompt_);
  plain.measure_drafts = false;
  run(*generator_, plain);
  expect_drafts(*generator_, request(prompt_));
  run(*generator_, plain);
  expect_drafts(*generator_, request(joined(prompt_, {9, 8, 7})));
}

TEST_F(DraftTest, AreRightBehindACancelledPrompt) {
  for (const std::size_t chunk : {1u, 10u}) {
    const GenerationRequest asked = request(prompt_, chunk);
    generator_->generate(
        asked, [](std::size_t done, std::size_t) { return done < 20; }, [](const TokenEvent&) { return true; });
    expect_drafts(*generator_, asked);
  }
}

}  // namespace
}  // namespace glimt
