// Ollama's endpoints about models, and vectors of texts.
#include "api/ollama_models.h"
#include "api/api_errors.h"
#include "api/ollama_embed.h"
#include "api/scripted_answer.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ModelCard demo() {
  ModelCard card;
  card.name = "demo";
  card.modified = 1795651200;
  card.size = 1234;
  card.digest = std::string(64, 'a');
  card.format = "safetensors";
  card.architecture = "glm4_moe_lite";
  card.parameters = 29'943'390'976;
  card.quantization = "INT4";
  card.context = 2048;
  card.embedding_length = 256;
  card.layers = 12;
  card.chat_template = "[gMASK]<sop>";
  card.license = "MIT";
  return card;
}

TEST(OllamaModels, AreListed) {
  ModelCard other = demo();
  other.name = "owner/GLM-4.7-Flash:int4";
  const ModelCard cards[] = {demo(), other};
  expect_golden("ollama_tags.json", dump_json(ollama_tags(cards)));
  EXPECT_EQ(dump_json(ollama_tags({})), R"({"models": []})");
}

TEST(OllamaModels, InMemoryAreListed) {
  RunningModel running;
  running.card = demo();
  running.bytes = 5678;
  running.context = 1024;
  running.expires = 1795651260;
  RunningModel staying = running;
  staying.expires.reset();
  staying.gpu_bytes = 99;
  const RunningModel both[] = {running, staying};
  const json::object list = ollama_ps(both);
  const json::object& first = list.at("models").at(0).as_object();
  EXPECT_EQ(first.at("name").as_string(), "demo:latest");
  EXPECT_EQ(first.at("expires_at").as_string(), "2026-11-26T00:01:00Z");
  EXPECT_EQ(first.at("size").to_number<int>(), 5678);
  EXPECT_EQ(first.at("size_vram").to_number<int>(), 0);
  EXPECT_EQ(first.at("context_length").to_number<int>(), 1024);
  EXPECT_EQ(list.at("models").at(1).at("expires_at").as_string(), "2318-01-01T00:00:00Z");
  EXPECT_EQ(list.at("models").at(1).at("size_vram").to_number<int>(), 99);
}

TEST(OllamaModels, AreShown) {
  expect_golden("ollama_show.json", dump_json(ollama_show(demo())));
  ModelCard card = demo();
  card.name = "owner/GLM-4.7-Flash";
  card.stop = {"END", "a \"b\"\n"};
  card.chat_template = "";
  const json::object shown = ollama_show(card);
  EXPECT_EQ(shown.at("parameters").as_string(), "stop \"END\"\nstop \"a \\\"b\\\"\\n\"");
  EXPECT_EQ(shown.at("modelfile").as_string(),
            "FROM owner/GLM-4.7-Flash:latest\nPARAMETER stop \"END\"\nPARAMETER stop \"a \\\"b\\\"\\n\"\n");
  EXPECT_EQ(shown.at("model_info").at("general.basename").as_string(), "GLM-4.7-Flash");
  EXPECT_EQ(shown.at("template").as_string(), "");
}

TEST(OllamaModels, HaveSizesInWords) {
  const auto words = [](std::uint64_t parameters) {
    ModelCard card = demo();
    card.parameters = parameters;
    return std::string(ollama_show(card).at("details").at("parameter_size").as_string());
  };
  EXPECT_EQ(words(29'943'390'976), "29.9B");
  EXPECT_EQ(words(3'300'000), "3.3M");
  EXPECT_EQ(words(1'500), "1.5K");
  EXPECT_EQ(words(12), "12");
}

TEST(OllamaModels, TimesBeyondAnyClockAreShown) {
  ModelCard card = demo();
  for (const std::int64_t time : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    card.modified = time;
    EXPECT_FALSE(ollama_show(card).at("modified_at").as_string().empty());
  }
}

TEST(OllamaModels, TheVersionIsThreeNumbers) { EXPECT_EQ(dump_json(ollama_version()), R"({"version": "0.21.0"})"); }

TEST(OllamaModels, APullEndsWithSuccess) { EXPECT_EQ(dump_json(ollama_pull_done()), R"({"status": "success"})"); }

TEST(OllamaModels, RequestsNameAModel) {
  for (const auto parse : {parse_ollama_show, parse_ollama_pull, parse_ollama_delete}) {
    EXPECT_EQ(parse(object_of(R"({"model": "demo"})")).model, "demo");
    EXPECT_EQ(parse(object_of(R"({"name": "demo:latest"})")).model, "demo:latest");
    EXPECT_EQ(parse(object_of(R"({"model": "", "name": "demo"})")).model, "demo");
    EXPECT_EQ(parse(object_of(R"({"model": "a", "name": "b"})")).model, "a");
    EXPECT_THAT(parse(object_of(R"({"model": "a", "frobnicate": 1})")).ignored, ElementsAre("frobnicate"));
    for (const char* wrong : {"{}", R"({"model": null})", R"({"model": ""})", R"({"model": 1})"}) {
      EXPECT_EQ(problem_from([&] { parse(object_of(wrong)); }).param, "model") << wrong;
    }
  }
  EXPECT_THAT(parse_ollama_show(object_of(R"({"model": "a", "verbose": true, "system": ""})")).ignored, ElementsAre());
}

TEST(OllamaModels, APullIsStreamedUnlessToldOtherwise) {
  EXPECT_TRUE(parse_ollama_pull(object_of(R"({"model": "demo"})")).stream);
  EXPECT_FALSE(parse_ollama_pull(object_of(R"({"model": "demo", "insecure": false, "stream": false})")).stream);
}

TEST(OllamaModels, ACopyHasTwoNames) {
  const OllamaCopyRequest copy = parse_ollama_copy(object_of(R"({"source": "a", "destination": "b", "force": 1})"));
  EXPECT_EQ(copy.source, "a");
  EXPECT_EQ(copy.destination, "b");
  EXPECT_THAT(copy.ignored, ElementsAre("force"));
  EXPECT_EQ(problem_from([] { parse_ollama_copy(object_of(R"({"source": "a"})")); }).param, "destination");
  EXPECT_EQ(problem_from([] { parse_ollama_copy(object_of(R"({"source": "", "destination": "b"})")); }).param,
            "source");
}

// ---- vectors ----

TEST(OllamaEmbed, TakesOneTextOrMany) {
  const EmbeddingsRequest one = parse_ollama_embed(object_of(R"({"model": "demo", "input": "a"})"));
  EXPECT_EQ(one.model, "demo");
  EXPECT_THAT(one.inputs, ElementsAre("a"));
  EXPECT_TRUE(one.truncate);
  EXPECT_EQ(one.dimensions, 0U);
  const EmbeddingsRequest many = parse_ollama_embed(object_of(
      R"({"input": ["a", "b"], "truncate": false, "dimensions": 64, "keep_alive": "5m", "frobnicate": 1,
          "options": {"num_ctx": 512, "flux": 1, "mirostat": null, "seed": null, "stop": null}})"));
  EXPECT_THAT(many.inputs, ElementsAre("a", "b"));
  EXPECT_FALSE(many.truncate);
  EXPECT_EQ(many.dimensions, 64U);
  EXPECT_EQ(many.context, 512U);
  EXPECT_EQ(many.keep_alive, std::chrono::minutes(5));
  EXPECT_THAT(many.ignored, ElementsAre("frobnicate", "options.flux"));
}

TEST(OllamaEmbed, ChecksTheInput) {
  for (const char* wrong : {"{}", R"({"input": ""})", R"({"input": []})", R"({"input": 1})", R"({"input": {}})",
                            R"({"input": ["a", ""]})", R"({"input": [1, 2]})", R"({"input": [["a"]]})"}) {
    const Problem found = problem_from([&] { parse_ollama_embed(object_of(wrong)); });
    EXPECT_EQ(found.status, 400) << wrong;
    EXPECT_THAT(found.param, HasSubstr("input")) << wrong;
  }
  EXPECT_EQ(problem_from([] { parse_ollama_embed(object_of(R"({"input": "a", "dimensions": -1})")); }).param,
            "dimensions");
  json::array list(2049, json::value("a"));
  EXPECT_EQ(problem_from([&] { parse_ollama_embed({{"input", list}}); }).param, "input");
}

TEST(OllamaEmbed, TakesThePromptOfOldClients) {
  const EmbeddingsRequest request = parse_ollama_embeddings(object_of(R"({"model": "demo", "prompt": "a"})"));
  EXPECT_EQ(request.model, "demo");
  EXPECT_THAT(request.inputs, ElementsAre("a"));
  EXPECT_TRUE(request.truncate);
  for (const char* wrong : {"{}", R"({"prompt": ""})", R"({"prompt": ["a"]})"}) {
    EXPECT_EQ(problem_from([&] { parse_ollama_embeddings(object_of(wrong)); }).param, "prompt") << wrong;
  }
}

TEST(OllamaEmbed, AnswersWithVectors) {
  const std::vector<std::vector<float>> vectors{{0.5F, -0.5F}, {1, 0}};
  EXPECT_EQ(dump_json(ollama_embed_answer("demo", vectors, 7, {.total_seconds = 2, .load_seconds = 0.5})),
            R"({"model": "demo", "embeddings": [[0.5, -0.5], [1.0, 0.0]], "total_duration": 2000000000, )"
            R"("load_duration": 500000000, "prompt_eval_count": 7})");
  EXPECT_EQ(dump_json(ollama_embeddings_answer(vectors[0])), R"({"embedding": [0.5, -0.5]})");
}

}  // namespace
}  // namespace glimt
