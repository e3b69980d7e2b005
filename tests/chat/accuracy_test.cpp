// What the fast path costs: 8-bit activations, bfloat16 cache rows and fast attention against float32 everywhere, on
// the demo model's own answers. GLIMT_ACCURACY_TOKENS sets how many tokens are compared (default 1500; 10000 for the
// figures in docs/PERFORMANCE.md).
#include "base/file.h"
#include "base/temporary_folder.h"
#include "checkpoint/safetensors.h"
#include "engine/engine.h"
#include "kernels/ops.h"
#include "kernels/our_kernels.h"
#include "model/arrays.h"
#include "model/load_model.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <sstream>

namespace glimt {
namespace {

const std::filesystem::path kDemo = std::filesystem::path(GLIMT_SOURCE_DIR) / "models" / "demo";

constexpr double kMaxKl = 1e-3;         // nats a token
constexpr double kMinAgreement = 0.99;  // of the greedy choices
constexpr std::size_t kAnswerTokens = 48;

std::size_t wanted_tokens() {
  const char* text = std::getenv("GLIMT_ACCURACY_TOKENS");
  return text != nullptr ? static_cast<std::size_t>(std::atoll(text)) : 1500;
}

bool is_quantizable(const std::string& name, const mx::array& value, int group_size) {
  return name.ends_with(".weight") && value.ndim() == 2 && !name.ends_with("mlp.gate.weight") &&
         value.shape(1) % group_size == 0;
}

// The demo model with every matrix but the router's quantized, in the released naming.
void write_quantized(const Quantization& q, const std::filesystem::path& folder) {
  json::object config = parse_json_file(kDemo / "config.json").get_object();
  config["quantization"] = {{"mode", q.mode_name()}, {"bits", q.bits}, {"group_size", q.group_size}};
  write_file_atomically(folder / "config.json", dump_json(config));
  const SafetensorsFile file(kDemo / "model.safetensors");
  std::unordered_map<std::string, mx::array> tensors;
  for (const auto& [name, info] : file.tensors()) {
    const mx::array value = array_of(file, info);
    if (!is_quantizable(name, value, q.group_size)) {
      tensors.emplace(name, value);
      continue;
    }
    const Weight w = quantize(value, q);
    const std::string path = name.substr(0, name.size() - std::string_view(".weight").size());
    tensors.emplace(name, w.values);
    tensors.emplace(path + ".scales", *w.scales);
    if (w.biases) tensors.emplace(path + ".biases", *w.biases);
  }
  mx::save_safetensors((folder / "model.safetensors").string(), tensors);
}

std::vector<std::vector<TokenId>> prompts() {
  const Tokenizer tokenizer(kDemo);
  const ChatTemplate chat_template(kDemo, tokenizer);
  std::istringstream lines(read_file(kDemo / "eval" / "questions.jsonl"));
  std::vector<std::vector<TokenId>> all;
  for (std::string line; std::getline(lines, line);) {
    const json::value question = parse_json(line, "questions.jsonl");
    json::object request{{"messages", question.at("messages")}, {"enable_thinking", question.at("enable_thinking")}};
    if (const json::value* tools = question.as_object().if_contains("tools")) request["tools"] = *tools;
    all.push_back(tokenizer.encode(chat_template.render(request)));
  }
  return all;
}

// Log-probabilities [count, vocab] of the last `count` positions.
mx::array log_probabilities(const CausalLm& model, const PoolShape& shape, const std::vector<TokenId>& tokens,
                            int count) {
  const int length = static_cast<int>(tokens.size());
  UniformCache cache(shape, 1, length);
  const mx::array hidden =
      model.forward(mx::array(tokens.data(), {length}, mx::int32), cache.pool(), cache.extend(length));
  const mx::array logits = model.unembed(mx::slice(hidden, {length - count, 0}, {length, hidden.shape(1)}));
  const mx::array result = mx::subtract(logits, mx::logsumexp(logits, -1, true));
  mx::eval(result);
  return result;
}

struct Difference {
  std::size_t tokens = 0, equal = 0;
  double kl = 0;  // sum over the tokens
};

struct FastPath {
  std::optional<kernels::RowType> rows = std::nullopt;
  const kernels::Ops* ops = nullptr;
};

Difference compare_paths(const std::filesystem::path& folder, const FastPath& path) {
  const auto engine = Engine::load(folder, {.exact = true, .cache_memory = std::size_t{64} << 20});
  const LoadedModel exact = load_model(folder, {.exact = true});
  const LoadedModel fast = load_model(folder, {.exact = false, .ops = path.ops});
  PoolShape shape = fast.model->cache_shape();
  if (path.rows) shape.type = *path.rows;
  Difference total;
  // Answers of all kinds: the file has the questions of a task one after the other.
  const std::vector<std::vector<TokenId>> all = prompts();
  for (std::size_t i = 0; i < all.size() && total.tokens < wanted_tokens(); ++i) {
    std::vector<TokenId> tokens = all[i * 37 % all.size()];
    SamplingParams greedy;
    greedy.temperature = 0;
    const std::size_t prompt = tokens.size();
    engine->generate({.prompt = tokens, .sampling = greedy, .max_tokens = kAnswerTokens, .eos = engine->info().eos}, {},
                     [&](const TokenEvent& event) {
                       tokens.push_back(event.token);
                       return true;
                     });
    const int count = static_cast<int>(tokens.size() - prompt) + 1;
    const mx::array reference = log_probabilities(*exact.model, exact.model->cache_shape(), tokens, count);
    const mx::array ours = log_probabilities(*fast.model, shape, tokens, count);
    total.kl +=
        static_cast<double>(mx::sum(mx::multiply(mx::exp(reference), mx::subtract(reference, ours))).item<float>());
    total.equal +=
        static_cast<std::size_t>(mx::sum(mx::equal(mx::argmax(reference, -1), mx::argmax(ours, -1))).item<int>());
    total.tokens += static_cast<std::size_t>(count);
  }
  return total;
}

void expect_small_difference(const std::filesystem::path& folder, const FastPath& path = {}) {
  const Difference d = compare_paths(folder, path);
  const double kl = d.kl / static_cast<double>(d.tokens),
               agreement = static_cast<double>(d.equal) / static_cast<double>(d.tokens);
  std::printf("%zu tokens: KL %.2e nats a token, greedy choice equal on %.2f %%\n", d.tokens, kl, 100 * agreement);
  EXPECT_GE(d.tokens, std::min<std::size_t>(wanted_tokens(), 1000));
  EXPECT_LE(kl, kMaxKl);
  EXPECT_GE(agreement, kMinAgreement);
}

TEST(Accuracy, AsStored) { expect_small_difference(kDemo); }

TEST(Accuracy, WithAnEightBitCache) {
  if (!has_our_kernels()) GTEST_SKIP() << "only our CPU kernels read rows of 8 bits";
  expect_small_difference(kDemo, {.rows = kernels::RowType::q8});
}

// Keys made of 8-bit latents by embed_q, rounded anew.
TEST(Accuracy, InTheExpandedForm) {
  if (!has_our_kernels()) GTEST_SKIP() << "a form of our CPU kernels";
  const TemporaryFolder folder;
  write_quantized({QuantMode::affine, 4, 64}, folder.path());
  for (const std::filesystem::path& model : {kDemo, folder.path()})
    expect_small_difference(model, {.ops = &kernels::cpu_ops(kernels::MlaForm::expanded)});
}

class QuantizedAccuracy : public testing::TestWithParam<Quantization> {};

TEST_P(QuantizedAccuracy, FastPathIsClose) {
  const TemporaryFolder folder;
  write_quantized(GetParam(), folder.path());
  expect_small_difference(folder.path());
}

INSTANTIATE_TEST_SUITE_P(Modes, QuantizedAccuracy,
                         testing::Values(Quantization{QuantMode::affine, 4, 64}, Quantization{QuantMode::affine, 8, 64},
                                         Quantization{QuantMode::mxfp4, 4, 32}, Quantization{QuantMode::nvfp4, 4, 16}),
                         [](const auto& test) {
                           return test.param.mode_name() +
                                  (test.param.mode == QuantMode::affine ? std::to_string(test.param.bits) : "");
                         });

}  // namespace
}  // namespace glimt
