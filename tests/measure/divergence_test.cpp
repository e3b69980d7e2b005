// Perplexity and divergence beside what follows from stored logits of the reference implementations (tests/golden).
#include "measure/divergence.h"

#include "base/throws.h"
#include "kernels/our_kernels.h"
#include "model/checkpoint.h"

#include <algorithm>
#include <cmath>

namespace glimt {
namespace {

using testing::HasSubstr;

constexpr int kLength = 33;  // of the golden inputs

std::vector<TokenId> golden_text(const std::string& name) {
  const mx::array ids = golden_array(name, "input_ids");
  return {ids.data<int>(), ids.data<int>() + ids.size()};
}

using Probabilities = std::vector<std::vector<double>>;  // log, of each predicted token's place

// The definition, in long double.
Probabilities log_probabilities(const mx::array& logits) {  // [B, L, vocab]
  Probabilities result;
  const int width = logits.shape(2);
  for (int row = 0; row < logits.shape(0) * logits.shape(1); ++row) {
    if (row % logits.shape(1) == logits.shape(1) - 1) continue;  // it predicts what is not there
    const float* x = logits.data<float>() + std::ptrdiff_t{row} * width;
    long double sum = 0;
    for (int i = 0; i < width; ++i) sum += std::exp(static_cast<long double>(x[i]));
    result.emplace_back();
    for (int i = 0; i < width; ++i) result.back().push_back(static_cast<double>(x[i] - std::log(sum)));
  }
  return result;
}

Probabilities golden_probabilities(const std::string& name) { return log_probabilities(golden_array(name, "logits")); }

double golden_loss(const std::string& name) {
  const std::vector<TokenId> text = golden_text(name);
  const Probabilities log_p = golden_probabilities(name);
  double sum = 0;
  std::size_t row = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i % kLength != 0) sum -= log_p[row++][static_cast<std::size_t>(text[i])];
  }
  EXPECT_EQ(row, log_p.size());
  return sum / static_cast<double>(row);
}

struct Golden {
  std::vector<double> divergences;
  std::size_t same_best = 0;
};

Golden golden_divergence(const std::string& reference, const std::string& name) {
  const Probabilities p = golden_probabilities(reference), q = golden_probabilities(name);
  Golden golden;
  for (std::size_t row = 0; row < p.size(); ++row) {
    double sum = 0;
    for (std::size_t i = 0; i < p[row].size(); ++i) sum += std::exp(p[row][i]) * (p[row][i] - q[row][i]);
    golden.divergences.push_back(sum);
    const auto best = [](const std::vector<double>& of) { return std::max_element(of.begin(), of.end()) - of.begin(); };
    golden.same_best += best(p[row]) == best(q[row]) ? 1 : 0;
  }
  std::sort(golden.divergences.begin(), golden.divergences.end());
  return golden;
}

constexpr TextPassOptions kExact{.context = kLength, .exact = true};

TEST(Perplexity, IsThatOfTheReferencesLogits) {
  for (const char* name : {"base", "no_q_lora", "groups", "yarn", "two_dense", "base_mxfp4_g32", "base_ollama_int4"}) {
    const PerplexityReport report = measure_perplexity(golden_folder(name), golden_text(name), kExact);
    EXPECT_EQ(report.tokens, 2u * (kLength - 1)) << name;
    EXPECT_EQ(report.windows, 2u);
    EXPECT_NEAR(report.loss.value, golden_loss(name), 2e-5) << name;
    const Estimate perplexity = perplexity_of(report.loss);
    EXPECT_DOUBLE_EQ(perplexity.value, std::exp(report.loss.value));
    EXPECT_DOUBLE_EQ(perplexity.error.value(), perplexity.value * report.loss.error.value());
  }
}

TEST(Divergence, IsThatOfTheReferencesLogits) {
  ASSERT_EQ(golden_text("base"), golden_text("base_affine4_g64"));
  for (const char* name : {"base_affine4_g64", "base_affine8_g64", "base_nvfp4_g16"}) {
    SCOPED_TRACE(name);
    const Golden wanted = golden_divergence("base", name);
    const auto count = static_cast<double>(wanted.divergences.size());
    double mean = 0;
    for (const double divergence : wanted.divergences) mean += divergence / count;
    const DivergenceReport report =
        measure_divergence(golden_folder("base"), golden_folder(name), golden_text("base"), kExact);
    EXPECT_NEAR(report.divergence.value, mean, 1e-3 * mean);
    EXPECT_NEAR(report.median, quantile(wanted.divergences, 0.5), 1e-3 * report.median);
    EXPECT_NEAR(report.p99, quantile(wanted.divergences, 0.99), 1e-3 * report.p99);
    EXPECT_NEAR(report.largest, wanted.divergences.back(), 1e-3 * report.largest);
    EXPECT_DOUBLE_EQ(report.same_best.value, static_cast<double>(wanted.same_best) / count);
    EXPECT_NEAR(report.reference.loss.value, golden_loss("base"), 2e-5);
    EXPECT_NEAR(report.model.loss.value, golden_loss(name), 2e-5);
    EXPECT_NEAR(report.loss_increase.value, report.model.loss.value - report.reference.loss.value, 1e-9);
    EXPECT_GT(mean, 1e-6) << "or nothing was compared";
  }
}

TEST(Divergence, OfAModelFromItselfIsExactlyNothing) {
  for (const char* name : {"bf16", "base", "base_affine4_g64"}) {
    for (const bool exact : {false, true}) {
      const DivergenceReport report = measure_divergence(golden_folder(name), golden_folder(name), golden_text(name),
                                                         {.context = 16, .exact = exact});
      EXPECT_EQ(report.divergence.value, 0.0) << name;
      EXPECT_EQ(report.divergence.error.value(), 0.0);
      EXPECT_EQ(report.largest, 0.0);
      EXPECT_EQ(report.same_best.value, 1.0);
      EXPECT_EQ(report.loss_increase.value, 0.0);
      EXPECT_EQ(report.reference.loss.value, report.model.loss.value);
    }
  }
}

// The layers one by one, all windows in each, against the whole model window by window.
TEST(TextPass, GivesTheBitsOfTheWholeModel) {
  if (!has_our_kernels()) GTEST_SKIP() << "only our CPU kernels promise a row the same bits in every step";
  for (const char* name : {"groups", "base_affine4_g64"}) {
    const LoadedModel loaded = load_model(golden_folder(name));
    const std::vector<TokenId> text = golden_text(name);
    constexpr int kContext = 10;  // 6 windows and one of 6 tokens
    std::size_t at = 0;
    int window = 0, place = 0;
    mx::array logits(0.0f);
    const auto begin_window = [&](std::size_t from) {
      const auto length = static_cast<int>(std::min<std::size_t>(kContext, text.size() - from));
      const mx::array ids(text.data() + from, {1, length}, mx::int32);
      logits = loaded.model->unembed(hidden_for(*loaded.model, ids));
      kernels::evaluate({logits});
    };
    begin_window(0);
    const auto check = [&](std::span<const LogitsRow> rows, TokenId token) {
      const auto vocab = static_cast<std::size_t>(loaded.model->config().vocab_size);
      const LogitsRow wanted(std::span(logits.data<float>() + static_cast<std::size_t>(place) * vocab, vocab));
      ++place;
      ++at;
      EXPECT_EQ(token, text[at]);
      EXPECT_EQ(rows[0].loss(token), wanted.loss(token)) << name << ", token " << at;
      EXPECT_EQ(rows[0].divergence(wanted), 0.0);
    };
    const auto next = [&] {
      ++at;
      ++window;
      place = 0;
      if (at < text.size()) begin_window(at);
    };
    pass_text({golden_folder(name)}, text, {.context = kContext, .step_rows = 25}, {check, next, {}});
    EXPECT_EQ(window, 7);
    EXPECT_EQ(at, text.size());
  }
}

TEST(TextPass, SectionsAndStepsChangeNothing) {
  if (!has_our_kernels()) GTEST_SKIP() << "only our CPU kernels promise a row the same bits in every step";
  const std::vector<TokenId> text = golden_text("base_affine4_g64");
  const auto measured = [&](const TextPassOptions& options) {
    return measure_divergence(golden_folder("base"), golden_folder("base_affine4_g64"), text, options);
  };
  const DivergenceReport wanted = measured({.context = 20});
  for (const TextPassOptions& options :
       {TextPassOptions{.context = 20, .step_rows = 40, .hidden_bytes = 1},
        TextPassOptions{.context = 20, .step_rows = 7}, TextPassOptions{.context = 20, .step_rows = 1}}) {
    const DivergenceReport report = measured(options);
    EXPECT_EQ(report.divergence.value, wanted.divergence.value);
    EXPECT_EQ(report.largest, wanted.largest);
    EXPECT_EQ(report.model.loss.error, wanted.model.loss.error);
    EXPECT_EQ(report.model.windows, 4u);
  }
}

TEST(TextPass, ProgressGoesToItsEnd) {
  const std::vector<TokenId> text = golden_text("base");
  std::size_t last = 0, calls = 0;
  measure_perplexity(golden_folder("base"), text, {.context = 10, .hidden_bytes = 1},
                     [&](std::size_t done, std::size_t total) {
                       EXPECT_GT(done, last);
                       EXPECT_EQ(total, text.size() * 4) << "three layers and the head";
                       last = done;
                       ++calls;
                     });
  EXPECT_EQ(last, text.size() * 4);
  EXPECT_GT(calls, 3u);
}

TEST(TextPass, WhatCannotBeMeasuredIsNamed) {
  const std::vector<TokenId> text = golden_text("base");
  const std::vector<TokenId> short_text(text.begin(), text.begin() + 1);
  EXPECT_ERROR(measure_perplexity(golden_folder("base"), short_text, {}), ErrorKind::invalid_request,
               HasSubstr("at least 2 tokens"));
  EXPECT_ERROR(measure_perplexity(golden_folder("base"), text, {.context = 513}), ErrorKind::invalid_request,
               HasSubstr("a context of 513 tokens is wanted, the model has 512"));
  EXPECT_ERROR(measure_perplexity(golden_folder("base"), std::vector<TokenId>{1, 320}, {}), ErrorKind::invalid_request,
               HasSubstr("token 320"));
  EXPECT_ERROR(measure_perplexity("/nonexistent", text, {}), ErrorKind::not_found, HasSubstr("/nonexistent"));
}

TEST(TextPass, OtherVocabulariesAreNamed) {
  Checkpoint other = Checkpoint::read("base");
  other.config["vocab_size"] = 319;
  const TemporaryFolder folder;
  other.write(folder.path());
  EXPECT_ERROR(measure_divergence(golden_folder("base"), folder.path(), golden_text("base"), {}),
               ErrorKind::invalid_request, testing::AllOf(HasSubstr("319"), HasSubstr("320"), HasSubstr("base")));
}

// A fault of the last layer is known before anything is computed.
TEST(TextPass, FaultsAreFoundFirst) {
  if (!has_our_kernels()) GTEST_SKIP() << "elsewhere a look at every weight would load the whole model";
  Checkpoint broken = Checkpoint::read("base");
  broken.pull("model.layers.2.mlp.gate.weight");
  const TemporaryFolder folder;
  broken.write(folder.path());
  bool computed = false;
  EXPECT_ERROR(
      measure_perplexity(folder.path(), golden_text("base"), {}, [&](std::size_t, std::size_t) { computed = true; }),
      ErrorKind::bad_file, HasSubstr("model.layers.2.mlp.gate.weight"));
  EXPECT_FALSE(computed);
}

}  // namespace
}  // namespace glimt
