// Requests for chat completions: every field of the table with its effect.
#include "api/openai_chat.h"

#include "api/answers.h"
#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::string_view kTool =
    R"({"type": "function", "function": {"name": "a", "parameters": {"type": "object"}}})";
constexpr std::string_view kTwoTools =
    R"("tools": [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "b"}}])";

std::string body_with(std::string_view more) {
  return fmt::format(R"({{"messages": [{{"role": "user", "content": "Hi"}}]{}{}}})", more.empty() ? "" : ", ", more);
}

ApiRequest parsed(std::string_view body, UnknownFields unknown = UnknownFields::refuse) {
  return parse_chat_completions(object_of(body), {.unknown = unknown}).request;
}

// A request of one message and these fields.
ApiRequest with(std::string_view more) { return parsed(body_with(more)); }

Problem problem(std::string_view body) {
  return problem_from([&] { parsed(body); });
}
Problem problem_with(std::string_view more) { return problem(body_with(more)); }
std::string message_with(std::string_view more) { return problem_with(more).message; }

std::string messages_of(std::string_view messages) {
  return dump_json(parsed(fmt::format(R"({{"messages": {}}})", messages)).chat.messages);
}

TEST(ChatRequest, TheLeastOne) {
  const ApiRequest request = with("");
  EXPECT_EQ(request.model, "");
  EXPECT_FALSE(request.stream);
  EXPECT_EQ(request.choices, 1U);
  EXPECT_EQ(dump_json(request.chat.messages), R"([{"role": "user", "content": "Hi"}])");
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_EQ(dump_json(request.chat.template_options), R"({"clear_thinking": false})");
  EXPECT_EQ(request.chat.max_tokens, 0U);
  EXPECT_FALSE(request.chat.stop_in_thinking);
  EXPECT_FALSE(request.chat.stream_calls);
  EXPECT_TRUE(request.sampling.numbers.empty());
  EXPECT_FALSE(request.sampling.seed);
  EXPECT_TRUE(request.ignored.empty());
  EXPECT_FALSE(request.raw_controls || request.drop_oldest || request.continues_answer || request.load_only);
  EXPECT_FALSE(request.keep_alive);
}

TEST(ChatRequest, NullIsAbsent) {
  const ApiRequest request = with(
      R"("model": null, "stream": null, "stream_options": null, "max_tokens": null, "max_completion_tokens": null,
      "n": null, "stop": null, "temperature": null, "top_p": null, "frequency_penalty": null, "presence_penalty": null,
      "logit_bias": null, "seed": null, "logprobs": null, "top_logprobs": null, "tools": null, "tool_choice": null,
      "parallel_tool_calls": null, "response_format": null, "reasoning_effort": null, "reasoning": null,
      "thinking": null, "chat_template_kwargs": null, "functions": null, "function_call": null, "audio": null,
      "web_search_options": null, "moderation": null, "modalities": null, "unheard_of": null)");
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_TRUE(request.sampling.numbers.empty());
  EXPECT_TRUE(request.ignored.empty());
}

TEST(ChatRequest, ModelAndStream) {
  const ApiRequest request = with(R"("model": "org/name:tag", "stream": true)");
  EXPECT_EQ(request.model, "org/name:tag");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.chat.stream_calls);
}

TEST(ChatRequest, MessagesMustBeThere) {
  EXPECT_EQ(problem("{}").param, "messages");
  EXPECT_EQ(problem("{}").message, "messages: is required");
  EXPECT_EQ(problem(R"({"messages": []})").message, "messages: must have at least one message");
  EXPECT_EQ(problem(R"({"messages": "Hi"})").message, R"(messages: must be an array, got "Hi")");
  EXPECT_EQ(problem(R"({"messages": ["Hi"]})").message, R"(messages[0]: must be an object, got "Hi")");
}

// ---- sampling ----

TEST(ChatRequest, NumbersOfSampling) {
  const SamplingParams params =
      with(R"("temperature": 0.5, "top_p": 0.25, "top_k": 7, "min_p": 0.125, "typical_p": 0.75,
              "frequency_penalty": -2, "presence_penalty": 2, "repetition_penalty": 1.5, "seed": 42)")
          .sampling.over({});
  EXPECT_EQ(params.temperature, 0.5F);
  EXPECT_EQ(params.top_p, 0.25F);
  EXPECT_EQ(params.top_k, 7);
  EXPECT_EQ(params.min_p, 0.125F);
  EXPECT_EQ(params.typical_p, 0.75F);
  EXPECT_EQ(params.frequency_penalty, -2);
  EXPECT_EQ(params.presence_penalty, 2);
  EXPECT_EQ(params.repeat_penalty, 1.5F);
  EXPECT_EQ(params.seed, 42U);
  EXPECT_NO_THROW(params.validate());
}

TEST(ChatRequest, PenaltiesLookAtTheWholeAnswer) {
  EXPECT_EQ(with(R"("frequency_penalty": 1)").sampling.over({}).repeat_last_n, -1);
  EXPECT_EQ(with(R"("presence_penalty": 1)").sampling.over({}).repeat_last_n, -1);
  EXPECT_EQ(with(R"("temperature": 1)").sampling.over({}).repeat_last_n, SamplingParams().repeat_last_n);
}

TEST(ChatRequest, RepeatsOfSequences) {
  const SamplingParams params =
      with(R"("dry_multiplier": 0.5, "dry_base": 2, "dry_allowed_length": 3, "dry_last_n": 64)").sampling.over({});
  EXPECT_EQ(params.dry.multiplier, 0.5F);
  EXPECT_EQ(params.dry.base, 2);
  EXPECT_EQ(params.dry.allowed_length, 3);
  EXPECT_EQ(params.dry.last_n, 64);
  EXPECT_EQ(message_with(R"("dry_base": 0.5)"), "dry_base: must be a number from 1 to 1000, got 0.5");
}

TEST(ChatRequest, PenaltiesMayLookBackLess) {
  EXPECT_EQ(with(R"("presence_penalty": 1, "repeat_last_n": 32)").sampling.over({}).repeat_last_n, 32);
}

TEST(ChatRequest, ARegexOrAGrammar) {
  const ApiRequest regex = with(R"("response_format": {"type": "regex", "pattern": "a+"})");
  EXPECT_EQ(std::get<RegexOutput>(regex.chat.constraint).pattern, "a+");
  const ApiRequest lark = with(R"("response_format": {"type": "grammar", "grammar": "start: \"a\""})");
  EXPECT_EQ(std::get<LarkOutput>(lark.chat.constraint).source, R"(start: "a")");
  EXPECT_EQ(message_with(R"("response_format": {"type": "regex"})"), "response_format.pattern: is required");
  EXPECT_EQ(message_with(R"("response_format": {"type": "grammar", "grammar": ""})"),
            "response_format.grammar: is required");
}

TEST(ChatRequest, GoesOnWithAnAnswer) {
  const std::string messages =
      R"("messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "He"}])";
  EXPECT_TRUE(parsed("{" + messages + R"(, "continue_final_message": true})").continues_answer);
  EXPECT_FALSE(parsed("{" + messages + R"(, "continue_final_message": false})").continues_answer);
  EXPECT_EQ(message_with(R"("continue_final_message": true)"),
            "continue_final_message: needs a last message of the role assistant");
}

TEST(ChatRequest, BoundsOfSampling) {
  EXPECT_EQ(message_with(R"("temperature": 2.1)"), "temperature: must be a number from 0 to 2, got 2.1");
  EXPECT_EQ(message_with(R"("temperature": -1)"), "temperature: must be a number from 0 to 2, got -1");
  EXPECT_EQ(message_with(R"("top_p": 1.5)"), "top_p: must be a number from 0 to 1, got 1.5");
  EXPECT_EQ(message_with(R"("frequency_penalty": 3)"), "frequency_penalty: must be a number from -2 to 2, got 3");
  EXPECT_EQ(message_with(R"("presence_penalty": -3)"), "presence_penalty: must be a number from -2 to 2, got -3");
  EXPECT_EQ(message_with(R"("n": 99)"), "n: must be an integer from 1 to 16, got 99");
  EXPECT_EQ(message_with(R"("n": 0)"), "n: must be an integer from 1 to 16, got 0");
  EXPECT_EQ(message_with(R"("top_logprobs": 3)"), "top_logprobs: needs 'logprobs' to be true");
  EXPECT_EQ(message_with(R"("seed": "a")"), R"(seed: must be an integer, got "a")");
  EXPECT_EQ(problem_with(R"("n": 99)").param, "n");
}

TEST(ChatRequest, LogitBias) {
  EXPECT_THAT(with(R"("logit_bias": {"12": -100, "7": 1.5})").sampling.logit_bias,
              ElementsAre(Pair(7, 1.5F), Pair(12, -100.0F)));
  EXPECT_EQ(message_with(R"("logit_bias": {"a": 1})"), R"(logit_bias: keys must be decimal token ids, got "a")");
  EXPECT_EQ(message_with(R"("logit_bias": {"-1": 1})"), R"(logit_bias: keys must be decimal token ids, got "-1")");
  EXPECT_EQ(message_with(R"("logit_bias": {"9999999999": 1})"),
            R"(logit_bias: keys must be decimal token ids, got "9999999999")");
  EXPECT_EQ(message_with(R"("logit_bias": {"1": 101})"),
            "logit_bias: values must be numbers from -100 to 100, got 101");
  EXPECT_EQ(message_with(R"("logit_bias": {"1": "2"})"),
            R"(logit_bias: values must be numbers from -100 to 100, got "2")");
}

TEST(ChatRequest, ANegativeSeedIsOne) {
  EXPECT_EQ(with(R"("seed": -1)").sampling.seed, std::numeric_limits<std::uint64_t>::max());
}

TEST(ChatRequest, Logprobs) {
  const ApiRequest request = with(R"("logprobs": true, "top_logprobs": 20)");
  EXPECT_TRUE(request.sampling.logprobs);
  EXPECT_EQ(request.sampling.top_logprobs, 20);
}

TEST(ChatRequest, LengthHasTwoNames) {
  EXPECT_EQ(with(R"("max_tokens": 128000)").chat.max_tokens, 128000U);
  EXPECT_EQ(with(R"("max_completion_tokens": 5)").chat.max_tokens, 5U);
  EXPECT_EQ(with(R"("max_completion_tokens": 5, "max_tokens": 4)").chat.max_tokens, 4U);
  EXPECT_EQ(with(R"("max_completion_tokens": 5, "max_tokens": 6)").chat.max_tokens, 5U);
  EXPECT_EQ(message_with(R"("max_tokens": 0)"), "max_tokens: must be an integer of at least 1, got 0");
}

TEST(ChatRequest, Stop) {
  EXPECT_THAT(with(R"("stop": "\nObservation")").chat.stop, ElementsAre("\nObservation"));
  EXPECT_THAT(with(R"("stop": ["a", "b"])").chat.stop, ElementsAre("a", "b"));
}

TEST(ChatRequest, Choices) { EXPECT_EQ(with(R"("n": 16)").choices, 16U); }

// ---- tools ----

TEST(ChatRequest, ToolsAreInOpenAIsForm) {
  const ApiRequest request = with(fmt::format(R"("tools": [{}])", kTool));
  EXPECT_EQ(dump_json(request.chat.tools), fmt::format("[{}]", kTool));
  EXPECT_FALSE(request.chat.tool_use.banned);
  EXPECT_TRUE(request.chat.tool_use.parallel);
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request.chat.constraint));
}

TEST(ChatRequest, NoToolsAreNone) { EXPECT_TRUE(with(R"("tools": [])").chat.tools.empty()); }

TEST(ChatRequest, ToolChoiceInWords) {
  const auto chosen = [](std::string_view choice) {
    return with(fmt::format(R"({}, "tool_choice": {})", kTwoTools, choice)).chat;
  };
  EXPECT_FALSE(chosen(R"("auto")").tool_use.banned);
  EXPECT_TRUE(chosen(R"("none")").tool_use.banned);
  EXPECT_EQ(chosen(R"("none")").tools.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(chosen(R"("required")").constraint));
  EXPECT_THAT(chosen(R"("required")").tool_use.allowed, IsEmpty());
}

TEST(ChatRequest, ToolChoiceOfOne) {
  for (const char* choice :
       {R"({"type": "function", "function": {"name": "b"}})", R"({"type": "function", "name": "b"})"}) {
    const ChatRequest request = with(fmt::format(R"({}, "tool_choice": {})", kTwoTools, choice)).chat;
    EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(request.constraint));
    EXPECT_THAT(request.tool_use.allowed, ElementsAre("b"));
    EXPECT_EQ(request.tools.size(), 2U);
  }
}

TEST(ChatRequest, ToolChoiceOfASubset) {
  const auto chosen = [](std::string_view mode) {
    return with(fmt::format(R"({}, "tool_choice": {{"type": "allowed_tools", "allowed_tools": {{"mode": "{}",
      "tools": [{{"type": "function", "function": {{"name": "a"}}}}]}}}})",
                            kTwoTools, mode))
        .chat;
  };
  EXPECT_THAT(chosen("auto").tool_use.allowed, ElementsAre("a"));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(chosen("auto").constraint));
  EXPECT_EQ(chosen("auto").tools.size(), 2U);
  EXPECT_THAT(chosen("required").tool_use.allowed, ElementsAre("a"));
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(chosen("required").constraint));
}

TEST(ChatRequest, AtMostOneCall) {
  EXPECT_FALSE(with(fmt::format(R"({}, "parallel_tool_calls": false)", kTwoTools)).chat.tool_use.parallel);
  EXPECT_NO_THROW(with(R"("parallel_tool_calls": false)"));
}

TEST(ChatRequest, WhatIsWrongWithAToolChoice) {
  const auto message = [](std::string_view choice) {
    return message_with(fmt::format(R"({}, "tool_choice": {})", kTwoTools, choice));
  };
  EXPECT_EQ(message(R"("maybe")"), R"(tool_choice: must be 'auto', 'none', 'required' or an object, got "maybe")");
  EXPECT_EQ(message("1"), "tool_choice: must be a string or an object, got 1");
  EXPECT_EQ(message(R"({"type": "function", "function": {"name": "c"}})"), R"(tool_choice: no tool is called "c")");
  EXPECT_EQ(message(R"({"type": "function"})"), "tool_choice.name: is required");
  EXPECT_EQ(message(R"({"function": {"name": "a"}})"), "tool_choice.type: is required");
  EXPECT_EQ(message(R"({"type": "custom", "custom": {"name": "a"}})"),
            R"(tool_choice.type: must be 'function' or 'allowed_tools', got "custom")");
  EXPECT_EQ(message(R"({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}})"),
            "tool_choice.tools: must be a list of tools, got []");
  EXPECT_EQ(message(R"({"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [{"name": "a"}]}})"),
            R"(tool_choice.mode: must be 'auto' or 'required', got "none")");
  for (const char* choice : {"required", "auto", "none"}) {
    EXPECT_EQ(message_with(fmt::format(R"("tool_choice": "{}")", choice)),
              "tool_choice: is only allowed when 'tools' are given");
  }
  EXPECT_TRUE(with(R"("tools": [], "tool_choice": "auto")").chat.tools.empty()) << "who sends both may say so";
  EXPECT_EQ(message_with(R"("tools": [], "tool_choice": {"type": "function", "function": {"name": "a"}})"),
            "tool_choice: is only allowed when 'tools' are given");
}

TEST(ChatRequest, WhatIsWrongWithATool) {
  EXPECT_THAT(message_with(R"("tools": [{"type": "web_search"}])"), HasSubstr("tools[0]: a tool of type 'web_search'"));
  EXPECT_EQ(problem_with(R"("tools": [{"type": "custom", "custom": {"name": "a"}}])").param, "tools[0]");
  EXPECT_EQ(problem_with(R"("tools": [{"type": "function", "function": {"name": "a"}, "foo": 1}])").param,
            "tools[0].foo");
  EXPECT_EQ(problem_with(fmt::format(R"("tools": [{0}, {0}])", kTool)).param, "tools[1]");
  EXPECT_EQ(problem_with(R"("tools": [{"type": "function", "function": {}}])").status, 400);
  std::string many;
  for (int i = 0; i < 1025; ++i) many += fmt::format(R"({}{{"name": "t{}"}})", i == 0 ? "" : ", ", i);
  EXPECT_EQ(message_with(fmt::format(R"("tools": [{}])", many)), "tools: must have at most 1024 entries, got 1025");
}

TEST(ChatRequest, TheOldNamesOfToolsAreRefused) {
  for (const char* field : {"functions", "function_call", "audio", "web_search_options", "moderation"}) {
    const Problem refused = problem_with(fmt::format(R"("{}": {{}})", field));
    EXPECT_EQ(refused.param, field);
    EXPECT_EQ(refused.code, "unsupported_value");
    EXPECT_EQ(refused.status, 400);
  }
}

TEST(ChatRequest, TextIsTheOnlyModality) {
  EXPECT_NO_THROW(with(R"("modalities": ["text"])"));
  EXPECT_EQ(problem_with(R"("modalities": ["text", "audio"])").param, "modalities");
}

// ---- the form of the answer ----

TEST(ChatRequest, ResponseFormat) {
  const auto constraint = [](std::string_view format) {
    return with(fmt::format(R"("response_format": {})", format)).chat.constraint;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(constraint(R"({"type": "text"})")));
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(constraint(R"({"type": "json_object"})")));
  for (const char* strict : {"true", "false", "null"}) {
    const OutputConstraint schema = constraint(fmt::format(
        R"({{"type": "json_schema", "json_schema": {{"name": "x", "strict": {}, "schema": {{"type": "object", "$schema": "s"}}}}}})",
        strict));
    ASSERT_TRUE(std::holds_alternative<JsonSchemaOutput>(schema));
    EXPECT_EQ(dump_json(std::get<JsonSchemaOutput>(schema).schema), R"({"type": "object", "$schema": "s"})");
  }
  EXPECT_TRUE(
      std::holds_alternative<JsonObjectOutput>(constraint(R"({"type": "json_schema", "json_schema": {"name": "x"}})")));
}

TEST(ChatRequest, ResponseFormatBesideTools) {
  const std::string both = fmt::format(R"({}, "response_format": {{"type": "json_object"}})", kTwoTools);
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(with(both).chat.constraint));
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(with(both + R"(, "tool_choice": "required")").chat.constraint));
}

TEST(ChatRequest, WhatIsWrongWithAResponseFormat) {
  EXPECT_EQ(
      message_with(R"("response_format": {"type": "xml"})"),
      R"(response_format.type: must be one of 'text', 'json_object', 'json_schema', 'regex', 'grammar', got "xml")");
  EXPECT_EQ(message_with(R"("response_format": {})"), "response_format.type: is required");
  EXPECT_EQ(message_with(R"("response_format": {"type": "json_schema"})"), "response_format.json_schema: is required");
  EXPECT_EQ(problem_with(R"("response_format": {"type": "json_schema", "json_schema": {"schema": 7}})").param,
            "response_format.json_schema.schema");
}

// ---- thinking ----

TEST(ChatRequest, Effort) {
  EXPECT_FALSE(with(R"("reasoning_effort": "none")").chat.thinking);
  EXPECT_EQ(with(R"("reasoning_effort": "medium")").chat.thinking_budget, 8192U);
  EXPECT_EQ(with(R"("reasoning_effort": "xhigh")").chat.thinking_budget, 0U);
  EXPECT_EQ(with(R"("reasoning": {"effort": "low", "summary": "auto"})").chat.thinking_budget, 2048U);
  EXPECT_EQ(problem_with(R"("reasoning_effort": "huge")").param, "reasoning_effort");
  EXPECT_EQ(problem_with(R"("reasoning": {"effort": "huge"})").param, "reasoning.effort");
}

TEST(ChatRequest, ThinkingOfZai) {
  EXPECT_FALSE(with(R"("thinking": {"type": "disabled"})").chat.thinking);
  EXPECT_TRUE(with(R"("reasoning_effort": "none", "thinking": {"type": "enabled"})").chat.thinking);
  EXPECT_EQ(with(R"("thinking": {"type": "enabled", "budget_tokens": 99})").chat.thinking_budget, 99U);
  EXPECT_EQ(dump_json(with(R"("thinking": {"clear_thinking": true})").chat.template_options),
            R"({"clear_thinking": true})");
  EXPECT_EQ(problem_with(R"("thinking": {"type": "sometimes"})").param, "thinking.type");
}

TEST(ChatRequest, TemplateOptionsCountOverTheOthers) {
  const ChatRequest request =
      with(R"("reasoning_effort": "high", "thinking": {"type": "enabled", "clear_thinking": true},
                                      "chat_template_kwargs": {"enable_thinking": false, "clear_thinking": false})")
          .chat;
  EXPECT_FALSE(request.thinking);
  EXPECT_EQ(dump_json(request.template_options), R"({"clear_thinking": false})");
  EXPECT_EQ(problem_with(R"("chat_template_kwargs": {"foo": 1})").param, "chat_template_kwargs.foo");
}

// ---- what is carried along, and what is not known ----

TEST(ChatRequest, FieldsThatClientsCarryAlong) {
  const ApiRequest request = with(
      R"("user": "u", "safety_identifier": "s", "prompt_cache_key": "k", "prompt_cache_retention": "24h",
         "prompt_cache_options": {}, "store": true, "metadata": {"a": "b"}, "service_tier": "auto", "verbosity": "low",
         "prediction": {"type": "content", "content": "c"},
         "stream_options": {"include_usage": true, "include_obfuscation": false})");
  EXPECT_TRUE(request.ignored.empty());
}

TEST(ChatRequest, UnknownFieldsAreNamed) {
  const Problem unknown = problem_with(R"("foo": 1, "stream_options": {"include_usage": true})");
  EXPECT_EQ(unknown.code, "unknown_parameter");
  EXPECT_EQ(unknown.param, "foo");
  EXPECT_THAT(unknown.message, HasSubstr("--ignore-unknown-fields"));
  EXPECT_EQ(problem_with(R"("stream_options": {"foo": 1})").param, "stream_options.foo");
  EXPECT_EQ(problem(R"({"messages": [{"role": "user", "content": "Hi", "foo": 1}]})").param, "messages[0].foo");
  EXPECT_EQ(problem(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "foo": 1}]}]})").param,
            "messages[0].content[0].foo");
}

TEST(ChatRequest, UnknownFieldsMayBeIgnored) {
  const ApiRequest request = parsed(
      R"({"foo": 1, "stream_options": {"bar": 1}, "tools": [{"type": "function", "function": {"name": "a"}, "baz": 2}],
          "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "qux": 1}], "quux": {"a": 1}}]})",
      UnknownFields::ignore);
  EXPECT_EQ(request.unknown, UnknownFields::ignore);
  EXPECT_EQ(dump_json(request.chat.messages), R"([{"role": "user", "content": "Hi"}])");
  EXPECT_EQ(dump_json(request.chat.tools), R"([{"type": "function", "function": {"name": "a"}}])");
  EXPECT_THAT(request.ignored, testing::UnorderedElementsAre("foo", "stream_options.bar", "tools[0].baz",
                                                             "messages[0].content[0].qux", "messages[0].quux"));
}

// ---- history ----

TEST(ChatHistory, Roles) {
  EXPECT_EQ(messages_of(R"([{"role": "developer", "content": "a"}, {"role": "user", "content": "b"},
                            {"role": "user", "content": "c"}, {"role": "system", "content": "d"}])"),
            R"([{"role": "system", "content": "a"}, {"role": "user", "content": "b"}, )"
            R"({"role": "user", "content": "c"}, {"role": "system", "content": "d"}])");
  EXPECT_EQ(problem(R"({"messages": [{"role": "bot", "content": "a"}]})").param, "messages[0]");
  EXPECT_EQ(problem(R"({"messages": [{"content": "a"}]})").param, "messages[0].role");
}

TEST(ChatHistory, OfTextOnly) {
  EXPECT_EQ(
      messages_of(R"([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": ""}]}])"),
      R"([{"role": "user", "content": "a"}])");
  const Problem image = problem(
      R"({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]})");
  EXPECT_EQ(image.status, 400);
  EXPECT_THAT(image.message, HasSubstr("this model reads text only"));
  EXPECT_THAT(image.message, HasSubstr("messages[0]"));
}

// message.model_dump() of the SDK, and what other servers add.
TEST(ChatHistory, AnAnswerHandedBack) {
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": null, "refusal": null, "audio": null, "annotations": [],
      "function_call": null, "name": "bot", "index": 0, "reasoning_details": [{"a": 1}], "cache_control": {"type": "ephemeral"},
      "reasoning_content": "I call.", "tool_calls": [{"index": 0, "id": "call_1", "type": "function",
        "function": {"name": "a", "arguments": "{\"b\":1}"}}]}, {"role": "tool", "tool_call_id": "call_1", "content": "c"}])"),
            R"([{"role": "assistant", "content": "", "reasoning_content": "I call.", "tool_calls": [{"id": "call_1", )"
            R"("type": "function", "function": {"name": "a", "arguments": {"b": 1}}}]}, )"
            R"({"role": "tool", "content": "c", "tool_call_id": "call_1"}])");
}

TEST(ChatHistory, ReasoningInTheContent) {
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": "\n<think>\nWhy?\n</think>\n\nSo. "}])"),
            R"([{"role": "assistant", "content": "So. ", "reasoning_content": "Why?"}])");
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": "<think></think>a"}])"),
            R"([{"role": "assistant", "content": "a"}])");
  // Not where there is reasoning, in the middle, without an end, or of a user.
  for (const char* message :
       {R"({"role": "assistant", "content": "<think>a</think>b", "reasoning_content": "c"})",
        R"({"role": "assistant", "content": "x<think>a</think>b"})", R"({"role": "assistant", "content": "<think>a"})",
        R"({"role": "user", "content": "<think>a</think>b"})"}) {
    EXPECT_EQ(messages_of(fmt::format("[{}]", message)), fmt::format("[{}]", message));
  }
}

TEST(ChatHistory, OtherNamesOfReasoning) {
  EXPECT_EQ(messages_of(R"([{"role": "assistant", "content": "a", "reasoning": "b"}])"),
            R"([{"role": "assistant", "content": "a", "reasoning_content": "b"}])");
}

TEST(ChatHistory, HostileOnesAreErrorsThatNameTheMessage) {
  for (const char* call :
       {R"({"function": {"name": "a", "arguments": "{"}})", R"({"function": {"name": "a", "arguments": "[1]"}})",
        R"({"function": {"name": "a", "arguments": 7}})", R"({"function": {"arguments": "{}"}})", R"("call")",
        R"({"type": "custom", "function": {"name": "a"}})"}) {
    const Problem wrong = problem(fmt::format(
        R"({{"messages": [{{"role": "user", "content": "a"}}, {{"role": "assistant", "tool_calls": [{}]}}]}})", call));
    EXPECT_EQ(wrong.status, 400) << call;
    EXPECT_THAT(wrong.message, HasSubstr("messages[1]")) << call;
  }
}

TEST(ChatHistory, ResultsAreMatchedLeniently) {
  EXPECT_NO_THROW(messages_of(R"([{"role": "tool", "tool_call_id": "gone", "content": "a"}])"));
  EXPECT_NO_THROW(messages_of(R"([{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "a"}}]}])"));
  EXPECT_EQ(
      messages_of(R"([{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "a"}},
      {"id": "y", "function": {"name": "b"}}]}, {"role": "tool", "tool_call_id": "y", "content": "2"},
      {"role": "tool", "tool_call_id": "x", "content": "1"}])"),
      R"([{"role": "assistant", "content": "", "tool_calls": [{"id": "x", "type": "function", "function": )"
      R"({"name": "a", "arguments": {}}}, {"id": "y", "type": "function", "function": {"name": "b", "arguments": )"
      R"({}}}]}, {"role": "tool", "content": "1", "tool_call_id": "x"}, )"
      R"({"role": "tool", "content": "2", "tool_call_id": "y"}])");
}

}  // namespace
}  // namespace glimt
