// What Ollama's clients send to chat and generate, field by field.
#include "api/api_errors.h"
#include "api/go_duration.h"
#include "api/ollama_chat.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""min;
using std::chrono_literals::operator""h;
using testing::ElementsAre;
using testing::HasSubstr;

// `fields` begin with a comma unless they are empty.
json::object chat_body(std::string_view fields) {
  return object_of(
      fmt::format(R"({{"model": "demo", "messages": [{{"role": "user", "content": "Hello"}}]{}}})", fields));
}

ApiRequest chat(std::string_view fields = "") { return parse_ollama_chat(chat_body(fields), {}).request; }

Problem chat_problem(std::string_view fields) {
  return problem_from([&] { parse_ollama_chat(chat_body(fields), {}); });
}

ApiRequest messages(std::string_view list) {
  return parse_ollama_chat(object_of(fmt::format(R"({{"messages": {}}})", list)), {}).request;
}

ApiRequest generate(std::string_view fields) {
  return parse_ollama_generate(object_of(fmt::format(R"({{"model": "demo"{}}})", fields)), {}).request;
}

Problem generate_problem(std::string_view fields) {
  return problem_from([&] { generate(fields); });
}

std::string list_of(const ApiRequest& request) { return dump_json(request.chat.messages); }

// ---- chat ----

TEST(OllamaChat, AsksForAnAnswer) {
  const ApiRequest request = chat();
  EXPECT_EQ(request.model, "demo");
  EXPECT_TRUE(request.stream);
  EXPECT_FALSE(request.load_only);
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_EQ(request.chat.max_tokens, 0U);
  EXPECT_EQ(request.context, 0U);
  EXPECT_FALSE(request.drop_oldest);
  EXPECT_FALSE(request.keep_alive);
  EXPECT_FALSE(request.chat.stream_calls);
  EXPECT_FALSE(request.chat.stop_in_thinking);
  EXPECT_EQ(list_of(request), R"([{"role": "user", "content": "Hello"}])");
  EXPECT_EQ(dump_json(request.chat.template_options), R"({"clear_thinking": false})");
  EXPECT_THAT(request.ignored, ElementsAre());
  EXPECT_FALSE(chat(R"(, "stream": false)").stream);
}

TEST(OllamaChat, NullIsAbsent) {
  const ApiRequest request = chat(
      R"(, "tools": null, "stream": null, "format": null, "think": null, "keep_alive": null, "logprobs": null,
          "top_logprobs": null, "truncate": null, "shift": null, "frobnicate": null,
          "options": {"mirostat": null, "mirostat_eta": null, "mirostat_tau": null, "num_ctx": null, "num_gpu": null,
                      "num_thread": null, "num_predict": null, "repeat_last_n": null, "repeat_penalty": null,
                      "temperature": null, "seed": null, "stop": null, "tfs_z": null, "top_k": null, "top_p": null})");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_TRUE(request.sampling.numbers.empty());
  EXPECT_THAT(request.ignored, ElementsAre());
  EXPECT_TRUE(chat(R"(, "options": null)").sampling.numbers.empty());
}

TEST(OllamaChat, UnknownFieldsAreIgnoredAndNamed) {
  const ApiRequest request = chat(
      R"(, "frobnicate": 1, "options": {"flux": 1, "num_gpu": 1},
          "tools": [{"type": "function", "items": {"a": 1}, "function": {"name": "f"}}])");
  EXPECT_THAT(request.ignored, ElementsAre("frobnicate", "options.flux", "tools[0].items"));
  EXPECT_THAT(messages(R"([{"role": "user", "content": "x", "mood": "good"}])").ignored,
              ElementsAre("messages[0].mood"));
}

TEST(OllamaChat, OptionsAreSet) {
  const ApiRequest request = chat(
      R"(, "options": {"num_ctx": 32768, "num_predict": 7, "seed": 42, "temperature": 0.5, "top_k": 3, "top_p": 0.25,
          "min_p": 0.125, "typical_p": 0.5, "repeat_last_n": -1, "repeat_penalty": 1.5, "presence_penalty": 0.5,
          "frequency_penalty": 0.25, "stop": ["a", "b"], "mirostat": 0, "tfs_z": 1.0})");
  EXPECT_EQ(request.context, 32768U);
  EXPECT_EQ(request.chat.max_tokens, 7U);
  EXPECT_THAT(request.chat.stop, ElementsAre("a", "b"));
  const SamplingParams params = request.sampling.over({});
  EXPECT_EQ(params.seed, 42U);
  EXPECT_EQ(params.temperature, 0.5F);
  EXPECT_EQ(params.top_k, 3);
  EXPECT_EQ(params.top_p, 0.25F);
  EXPECT_EQ(params.min_p, 0.125F);
  EXPECT_EQ(params.typical_p, 0.5F);
  EXPECT_EQ(params.repeat_last_n, -1);
  EXPECT_EQ(params.repeat_penalty, 1.5F);
  EXPECT_EQ(params.presence_penalty, 0.5F);
  EXPECT_EQ(params.frequency_penalty, 0.25F);
}

TEST(OllamaChat, OptionsThatMeanNothingInParticular) {
  SamplingParams other;
  other.top_k = 9;
  EXPECT_EQ(chat(R"(, "options": {"top_k": -1})").sampling.over(other).top_k, 0);
  EXPECT_EQ(chat(R"(, "options": {"seed": -1})").sampling.seed, std::nullopt);
  EXPECT_EQ(chat(R"(, "options": {"num_predict": -1})").chat.max_tokens, 0U);
  EXPECT_EQ(chat(R"(, "options": {"num_predict": -2})").chat.max_tokens, 0U);
  EXPECT_THAT(chat(R"(, "options": {"stop": "x"})").chat.stop, ElementsAre("x"));
  EXPECT_TRUE(chat(R"(, "options": {"stop": []})").chat.stop.empty());
}

TEST(OllamaChat, HintsForLoadingAreCarried) {
  const ApiRequest request = chat(
      R"(, "options": {"num_gpu": 1, "main_gpu": 0, "num_thread": 8, "num_batch": 512, "num_keep": 5, "use_mmap": true,
          "use_mlock": false, "numa": false, "low_vram": false, "f16_kv": true, "vocab_only": false,
          "logits_all": false, "embedding_only": false, "draft_num_predict": 4, "penalize_newline": true,
          "mirostat_tau": 5.0, "mirostat_eta": 0.1})");
  EXPECT_THAT(request.ignored, ElementsAre());
}

TEST(OllamaChat, OptionsAreChecked) {
  for (const char* wrong :
       {R"("temperature": -1)", R"("temperature": "warm")", R"("top_k": -2)", R"("top_k": 1.5)", R"("top_p": 2)",
        R"("num_predict": -3)", R"("num_ctx": -1)", R"("seed": 0.5)", R"("repeat_penalty": 0)",
        R"("repeat_last_n": -2)", R"("mirostat": 1)", R"("tfs_z": 0.5)", R"("stop": 1)", R"("stop": [""])"}) {
    const Problem found = chat_problem(fmt::format(R"(, "options": {{{}}})", wrong));
    EXPECT_EQ(found.status, 400) << wrong;
    EXPECT_THAT(found.param, HasSubstr("options.")) << wrong;
  }
  EXPECT_EQ(chat_problem(R"(, "options": [])").param, "options");
}

TEST(OllamaChat, Thinks) {
  const auto budget = [](std::string_view think) -> std::string {
    const ChatRequest request = chat(fmt::format(R"(, "think": {})", think)).chat;
    return request.thinking ? std::to_string(request.thinking_budget) : "off";
  };
  EXPECT_EQ(budget("true"), "0");
  EXPECT_EQ(budget("false"), "off");
  EXPECT_EQ(budget(R"("low")"), "2048");
  EXPECT_EQ(budget(R"("medium")"), "8192");
  EXPECT_EQ(budget(R"("high")"), "24576");
  EXPECT_EQ(budget(R"("max")"), "0");
  for (const char* wrong : {R"("")", R"("true")", R"("none")", "1"}) {
    EXPECT_EQ(chat_problem(fmt::format(R"(, "think": {})", wrong)).param, "think") << wrong;
  }
}

TEST(OllamaChat, TheAnswerHasAFormat) {
  const auto constraint = [](std::string_view format) {
    return chat(fmt::format(R"(, "format": {})", format)).chat.constraint;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(constraint(R"("")")));
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(constraint(R"("json")")));
  const OutputConstraint schema = constraint(R"({"type": "object", "title": "T"})");
  ASSERT_TRUE(std::holds_alternative<JsonSchemaOutput>(schema));
  EXPECT_EQ(dump_json(std::get<JsonSchemaOutput>(schema).schema), R"({"type": "object", "title": "T"})");
  for (const char* wrong : {R"("xml")", "[]", "1", "true"}) {
    EXPECT_EQ(chat_problem(fmt::format(R"(, "format": {})", wrong)).param, "format") << wrong;
  }
}

TEST(OllamaChat, TheModelStays) {
  const auto stay = [](std::string_view keep_alive) {
    return chat(fmt::format(R"(, "keep_alive": {})", keep_alive)).keep_alive.value();
  };
  EXPECT_EQ(stay("1800"), 30min);
  EXPECT_EQ(stay("0.5"), 500'000'000ns);
  EXPECT_EQ(stay("0"), 0ns);
  EXPECT_EQ(stay(R"("5m")"), 5min);
  EXPECT_EQ(stay(R"("1h30m")"), 90min);
  EXPECT_EQ(stay(R"("300ms")"), 300'000'000ns);
  EXPECT_EQ(stay(R"("0")"), 0ns);
  EXPECT_LT(stay("-1"), 0ns);
  EXPECT_LT(stay(R"("-1m")"), 0ns);
  EXPECT_GT(stay("1e300"), 24h * 365 * 200);
  for (const char* wrong : {R"("")", R"("5")", R"("soon")", R"("5 m")", R"("5m3")", "true", "[]", "{}"}) {
    EXPECT_EQ(chat_problem(fmt::format(R"(, "keep_alive": {})", wrong)).param, "keep_alive") << wrong;
  }
}

TEST(GoDuration, IsReadAsGoReadsIt) {
  EXPECT_EQ(parse_go_duration("1.5h"), 90min);
  EXPECT_EQ(parse_go_duration("+5s"), 5s);
  EXPECT_EQ(parse_go_duration("-.5s"), -500'000'000ns);
  EXPECT_EQ(parse_go_duration("1.s"), 1s);
  EXPECT_EQ(parse_go_duration("1h15m30.918273645s"), 4530918273645ns);
  EXPECT_EQ(parse_go_duration("3ns4us5\u00B5s6\u03BCs"), 15003ns);
  EXPECT_GT(parse_go_duration("99999999999999999999h"), 1h);
  EXPECT_LT(parse_go_duration("-99999999999999999999h"), -1h);
  for (const char* wrong : {"", "3", "-", "s", ".s", "+.s", "1..5s", "3000000h m", "1d", "1 s", "5m "}) {
    EXPECT_EQ(parse_go_duration(wrong), std::nullopt) << wrong;
  }
}

TEST(OllamaChat, CutsAPromptOnlyWhenAsked) {
  EXPECT_TRUE(chat(R"(, "truncate": true)").drop_oldest);
  EXPECT_FALSE(chat(R"(, "truncate": false)").drop_oldest);
  chat(R"(, "shift": false)");
  EXPECT_EQ(chat_problem(R"(, "shift": true)").param, "shift");
}

TEST(OllamaChat, ShowsProbabilities) {
  const ApiRequest request = chat(R"(, "logprobs": true, "top_logprobs": 3)");
  EXPECT_TRUE(request.sampling.logprobs);
  EXPECT_EQ(request.sampling.top_logprobs, 3);
  EXPECT_EQ(chat_problem(R"(, "logprobs": true, "top_logprobs": 21)").param, "top_logprobs");
}

TEST(OllamaChat, ReadsTheHistory) {
  EXPECT_EQ(
      list_of(messages(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "q", "images": null},
      {"role": "assistant", "content": "", "thinking": "hm", "images": [], "tool_calls": [
          {"id": "c1", "function": {"index": 0, "name": "f", "arguments": {"a": 1}}},
          {"function": {"name": "g", "arguments": "{\"b\": 2}"}}]},
      {"role": "tool", "content": "r1", "tool_name": "f"}, {"role": "tool", "content": "r2", "tool_call_id": "c2"},
      {"role": "tool", "content": "r3"}, {"role": "assistant", "content": null}, {"role": "user", "content": ""}])")),
      R"([{"role": "system", "content": "s"}, {"role": "user", "content": "q"}, )"
      R"({"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [)"
      R"({"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}, )"
      R"({"type": "function", "function": {"name": "g", "arguments": {"b": 2}}}]}, )"
      R"({"role": "tool", "content": "r1", "name": "f"}, {"role": "tool", "content": "r2", "tool_call_id": "c2"}, )"
      R"({"role": "tool", "content": "r3"}, {"role": "assistant", "content": ""}, {"role": "user", "content": ""}])");
}

TEST(OllamaChat, HostileHistoriesAreRefused) {
  for (const char* wrong :
       {R"([{"role": "user", "content": "x", "images": ["aGk="]}])", R"([{"content": "x"}])", R"(["x"])",
        R"([{"role": "robot", "content": "x"}])", R"([{"role": "user", "content": [{"type": "image"}]}])",
        R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "not JSON"}}]}])",
        R"([{"role": "assistant", "tool_calls": [{"function": {"arguments": {}}}]}])", R"({})"}) {
    const Problem found = problem_from([&] { messages(wrong); });
    EXPECT_EQ(found.status, 400) << wrong;
    EXPECT_THAT(found.message, HasSubstr("messages")) << wrong;
  }
  const Problem images = problem_from([] { messages(R"([{"role": "user", "content": "x", "images": ["aGk="]}])"); });
  EXPECT_EQ(images.param, "messages[0].images");
}

TEST(OllamaChat, DeclaresTools) {
  const ApiRequest request = chat(
      R"(, "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}])");
  EXPECT_EQ(
      dump_json(request.chat.tools),
      R"([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}])");
  EXPECT_TRUE(chat(R"(, "tools": [])").chat.tools.empty());
  EXPECT_EQ(chat_problem(R"(, "tools": [{"type": "web_search"}])").status, 400);
  EXPECT_EQ(chat_problem(R"(, "tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}])").status, 400);
}

TEST(OllamaChat, WithoutMessagesTheModelIsLoaded) {
  EXPECT_TRUE(messages("[]").load_only);
  EXPECT_TRUE(messages("null").load_only);
  EXPECT_TRUE(messages("[]").chat.messages.empty());
}

// ---- generate ----

TEST(OllamaGenerate, IsOneTurn) {
  const ApiRequest request = generate(R"(, "prompt": "Why?", "system": "Be brief.", "think": false, "images": [])");
  EXPECT_EQ(list_of(request), R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}])");
  EXPECT_TRUE(request.stream);
  EXPECT_FALSE(request.chat.thinking);
  EXPECT_FALSE(request.load_only);
  EXPECT_TRUE(request.prompts.empty());
  EXPECT_EQ(list_of(generate(R"(, "prompt": "Why?", "suffix": "", "template": "", "context": [], "raw": false)")),
            R"([{"role": "user", "content": "Why?"}])");
}

TEST(OllamaGenerate, RawIsAllThatTheModelReads) {
  const ApiRequest request = generate(R"(, "prompt": "<|user|>x", "raw": true, "format": "json", "think": false)");
  EXPECT_THAT(request.prompts, ElementsAre("<|user|>x"));
  EXPECT_TRUE(request.raw_controls);
  EXPECT_TRUE(request.chat.messages.empty());
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(request.chat.constraint));
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "raw": true, "system": "s")").param, "system");
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "raw": true, "think": true)").param, "think");
}

TEST(OllamaGenerate, RefusesWhatItDoesNotDo) {
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "suffix": "y")").param, "suffix");
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "template": "{{ .Prompt }}")").param, "template");
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "context": [1, 2])").param, "context");
  EXPECT_EQ(generate_problem(R"(, "prompt": "x", "images": ["aGk="])").param, "images");
  EXPECT_EQ(generate_problem(R"(, "prompt": ["x"])").param, "prompt");
}

TEST(OllamaGenerate, WithoutAPromptTheModelIsLoaded) {
  for (const char* fields : {"", R"(, "prompt": "")", R"(, "prompt": null, "system": "s")", R"(, "raw": true)"}) {
    const ApiRequest request = generate(fields);
    EXPECT_TRUE(request.load_only) << fields;
    EXPECT_TRUE(request.chat.messages.empty() && request.prompts.empty()) << fields;
  }
  EXPECT_THAT(generate(R"(, "width": 512, "steps": 4)").ignored, ElementsAre("width", "steps"));
}

}  // namespace
}  // namespace glimt
