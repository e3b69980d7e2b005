// Vectors of texts: the same for the same text, in any company and whatever is cached.
#include "engine/engine_support.h"

#include "engine/mean_pool.h"
#include "kernels/our_kernels.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Vector = std::vector<float>;

GenerationRequest embedding_of(const Tokens& prompt) {
  GenerationRequest request;
  request.prompt = prompt;
  request.embed = true;
  return request;
}

GenerationResult embed(Engine& engine, const Tokens& prompt) {
  return engine.generate(embedding_of(prompt), {}, [](const TokenEvent&) {
    ADD_FAILURE() << "a token of a text to embed";
    return true;
  });
}

double product(const Vector& a, const Vector& b) {
  EXPECT_EQ(a.size(), b.size());
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

float farthest(const Vector& a, const Vector& b) {
  EXPECT_EQ(a.size(), b.size());
  float most = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) most = std::max(most, std::abs(a[i] - b[i]));
  return most;
}

// With our kernels a row has the same bits in every company and chunk, and the rows are summed in their order: so has
// the vector. Plain operations round as the number of rows makes them.
float rounding() { return has_our_kernels() ? 0.0f : 2e-6f; }

TEST_F(EngineTest, AVectorIsTheMeanOfTheHiddenStatesOfTheReference) {
  const GenerationResult result = embed(*engine_, prompt_);
  const mx::array hidden = golden_array("base", "hidden");  // [sequences, tokens, width], after the final norm
  const mx::array own = mx::astype(mx::slice(hidden, {0, 0, 0}, {1, hidden.shape(1), hidden.shape(2)}), mx::float32);
  mx::array mean = mx::reshape(mx::mean(own, 1), {hidden.shape(2)});
  mean = mx::divide(mean, mx::sqrt(mx::sum(mx::square(mean))));
  mx::eval(mean);
  const Vector wanted(mean.data<float>(), mean.data<float>() + mean.size());
  EXPECT_LT(farthest(result.embedding, wanted), 1e-3F);
  EXPECT_EQ(result.reason, FinishReason::stop);
  EXPECT_EQ(result.stats.prompt_tokens, prompt_.size());
  EXPECT_EQ(result.stats.generated_tokens, 0u);
  EXPECT_GT(result.stats.prefill_seconds, 0);
}

TEST_F(EngineTest, AVectorIsTheSameHoweverTheTextIsCutIntoSteps) {
  const Vector whole = embed(*engine_, prompt_).embedding;
  EXPECT_NEAR(product(whole, whole), 1, 1e-6);
  for (const int chunk : {8, 9, 16, 32, 33}) {  // 33 tokens: with 8, 16 and 32 the last step has one
    SCOPED_TRACE(chunk);
    EXPECT_LE(farthest(embed(*load("base", {.step_tokens = chunk}), prompt_).embedding, whole), rounding());
  }
}

TEST_F(EngineTest, AVectorIsTheSameInAnyCompanyAndWhateverIsCached) {
  const std::vector<Tokens> texts = some_prompts();
  std::vector<Vector> alone;
  for (const Tokens& text : texts) alone.push_back(embed(*load("base"), text).embedding);
  const auto engine = load("base", {.parallel = 4, .step_tokens = 64});
  for (const char* round : {"cold", "with the prefixes of answers in the cache"}) {
    SCOPED_TRACE(round);
    std::vector<std::shared_ptr<Stream>> answers, vectors;
    for (const Tokens& text : texts) {
      vectors.push_back(engine->submit(embedding_of(text)));
      answers.push_back(engine->submit(request_for(text, 12)));
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      EXPECT_EQ(read(*answers[i]).tokens, run(*load("base"), request_for(texts[i], 12)).tokens) << i;
      const GenerationResult result = read(*vectors[i]).result;
      EXPECT_LE(farthest(result.embedding, alone[i]), rounding()) << i;
      EXPECT_EQ(result.stats.reused_tokens, 0u);
    }
  }
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_LT(product(alone[i], alone[j]), 0.9999) << i << " " << j;
  }
}

TEST_F(EngineTest, ATextToEmbedLeavesNothingInThePrefixCache) {
  embed(*engine_, prompt_);
  EXPECT_EQ(settled(*engine_).cached_blocks, 0);
  EXPECT_EQ(run(*engine_, request_for(prompt_, 4)).result.stats.reused_tokens, 0u);
}

TEST_F(EngineTest, OneTokenAndTheWholeContextHaveVectors) {
  const auto engine = load("base", {.context = prompt_.size()});
  EXPECT_EQ(embed(*engine, first(prompt_, 1)).embedding.size(), embed(*engine, prompt_).embedding.size());
  EXPECT_ERROR(embed(*engine, joined(prompt_, prompt_)), ErrorKind::invalid_request,
               AllOf(HasSubstr("66 tokens"), HasSubstr("holds 33")));
  EXPECT_ERROR(embed(*engine, {}), ErrorKind::invalid_request, HasSubstr("is empty"));
  GenerationRequest thinking = embedding_of(prompt_);
  thinking.thinking_budget = ThinkingBudget{4, 1};
  EXPECT_ERROR(run(*engine, thinking), ErrorKind::invalid_request, HasSubstr("embed"));
}

TEST_F(EngineTest, EmbeddingCanBeCancelledAndHasADeadline) {
  const auto engine = load("base", {.parallel = 1, .step_tokens = 8});
  const GenerationResult cancelled = engine->generate(
      embedding_of(prompt_), [](std::size_t, std::size_t) { return false; }, [](const TokenEvent&) { return true; });
  EXPECT_EQ(cancelled.reason, FinishReason::cancelled);
  EXPECT_TRUE(cancelled.embedding.empty());
  GenerationRequest late = embedding_of(prompt_);
  late.deadline = std::chrono::steady_clock::now();
  EXPECT_ERROR(run(*engine, late), ErrorKind::timeout, HasSubstr("deadline"));
}

// Many texts and answers on few blocks: some are set back in the middle and begin again.
TEST(Embedding, IsTheSameWhenItHadToBeginAgain) {
  const std::vector<Tokens> texts = some_prompts();
  std::vector<Vector> alone;
  for (const Tokens& text : texts) alone.push_back(embed(*load("base"), text).embedding);
  EngineOptions options{.context = 300, .parallel = 6, .step_tokens = 16};
  const auto probe = load("base", options);
  options.cache_memory = 14 * probe->metrics().block_bytes;
  const auto engine = load("base", options);
  std::vector<std::shared_ptr<Stream>> vectors, answers;
  for (const Tokens& text : texts) {
    if (text.size() > 250) continue;
    answers.push_back(engine->submit(request_for(text, 60)));
    vectors.push_back(engine->submit(embedding_of(text)));
  }
  for (std::size_t i = 0, v = 0; i < texts.size(); ++i) {
    if (texts[i].size() > 250) continue;
    EXPECT_LE(farthest(read(*vectors[v++]).result.embedding, alone[i]), rounding()) << i;
  }
  for (const auto& answer : answers) read(*answer);
}

TEST(Embedding, OfAModelWithMtpAndInAnotherRowType) {
  const Tokens prompt = golden_row("mtp", "input_ids", 0);
  const Vector exact = embed(*load("mtp"), prompt).embedding;
  EXPECT_LE(farthest(embed(*load("mtp", {.speculation = Speculation::off}), prompt).embedding, exact), rounding());
  const Vector rounded = embed(*load("mtp", {.cache_type = kernels::RowType::bf16}), prompt).embedding;
  EXPECT_GT(product(rounded, exact), 0.999);
}

TEST(MeanPoolTest, SumsRowByRowAndRefusesWhatIsNoNumber) {
  MeanPool pool;
  pool.add(std::vector<float>{3, 0, 1, 0}, 2);
  pool.add(std::vector<float>{-1, 4}, 2);
  EXPECT_THAT(pool.normalized(), testing::ElementsAre(testing::FloatNear(0.6F, 1e-6), testing::FloatNear(0.8F, 1e-6)));
  pool.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), 0}, 2);
  EXPECT_ERROR(pool.normalized(), ErrorKind::internal, HasSubstr("NaN"));
  pool.clear();
  EXPECT_ERROR(pool.normalized(), ErrorKind::internal, HasSubstr("NaN"));
}

}  // namespace
}  // namespace glimt
