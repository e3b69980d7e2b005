// What Anthropic's clients send, field by field.
#include "api/anthropic_messages.h"
#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A request with max_tokens 100 and more: `fields` begins with a comma unless it is empty.
json::object body_with(std::string_view messages, std::string_view fields = "") {
  return object_of(fmt::format(R"({{"model": "demo", "max_tokens": 100, "messages": {}{}}})", messages, fields));
}

constexpr std::string_view kHello = R"([{"role": "user", "content": "Hello"}])";
constexpr std::string_view kTools = R"([{"name": "f", "description": "d", "input_schema": {"type": "object"}},
                                        {"type": "custom", "name": "g", "input_schema": {"type": "object"}}])";

ApiRequest request_of(std::string_view messages, std::string_view fields = "") {
  return parse_messages(body_with(messages, fields), {}).request;
}

ApiRequest hello(std::string_view fields) { return request_of(kHello, fields); }

std::string history(std::string_view messages, std::string_view fields = "") {
  return dump_json(request_of(messages, fields).chat.messages);
}

Problem problem(std::string_view messages, std::string_view fields = "") {
  return problem_from([&] { parse_messages(body_with(messages, fields), {}); });
}

std::string error_of(std::string_view fields) { return problem(kHello, fields).message; }

TEST(AnthropicRequest, AsksForAnAnswer) {
  const ApiRequest request = hello("");
  EXPECT_EQ(request.model, "demo");
  EXPECT_FALSE(request.stream);
  EXPECT_EQ(request.chat.max_tokens, 100U);
  EXPECT_EQ(dump_json(request.chat.messages), R"([{"role": "user", "content": "Hello"}])");
  EXPECT_FALSE(request.chat.thinking);
  EXPECT_FALSE(request.continues_answer);
  EXPECT_FALSE(request.chat.stop_in_thinking);
  EXPECT_FALSE(request.chat.stream_calls);
  EXPECT_EQ(dump_json(request.chat.template_options), R"({"clear_thinking": false})");
  EXPECT_THAT(request.ignored, ElementsAre());
}

TEST(AnthropicRequest, SetsTheSampling) {
  const ApiRequest request =
      hello(R"(, "temperature": 1, "top_p": 0.5, "top_k": 3, "stop_sequences": ["END", "\n\n"])");
  const SamplingParams params = request.sampling.over({});
  EXPECT_EQ(params.temperature, 1);
  EXPECT_EQ(params.top_p, 0.5F);
  EXPECT_EQ(params.top_k, 3);
  EXPECT_THAT(request.chat.stop, ElementsAre("END", "\n\n"));
  EXPECT_THAT(error_of(R"(, "temperature": 1.5)"), HasSubstr("temperature"));
  EXPECT_THAT(error_of(R"(, "top_p": 2)"), HasSubstr("top_p"));
  EXPECT_THAT(error_of(R"(, "top_k": -1)"), HasSubstr("top_k"));
  EXPECT_THAT(error_of(R"(, "stop_sequences": [""])"), HasSubstr("stop_sequences"));
}

TEST(AnthropicRequest, StreamsCalls) {
  const ApiRequest request = hello(R"(, "stream": true)");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.chat.stream_calls);
}

TEST(AnthropicRequest, NeedsMaxTokensAndMessages) {
  const Problem none = problem_from([] { parse_messages(object_of(R"({"messages": []})"), {}); });
  EXPECT_EQ(none.status, 400);
  EXPECT_EQ(none.param, "max_tokens");
  EXPECT_EQ(problem_from([] { parse_messages(object_of(R"({"max_tokens": 1})"), {}); }).param, "messages");
  EXPECT_EQ(problem("[]").param, "messages");
  for (const char* wrong : {"0", "-1", "1.5", "\"1\""}) {
    const std::string body = fmt::format(R"({{"max_tokens": {}, "messages": {}}})", wrong, kHello);
    EXPECT_EQ(problem_from([&] { parse_messages(object_of(body), {}); }).param, "max_tokens") << wrong;
  }
  EXPECT_EQ(parse_messages(object_of(fmt::format(R"({{"max_tokens": 128000, "messages": {}}})", kHello)), {})
                .request.chat.max_tokens,
            128000U);
}

TEST(AnthropicRequest, NullIsAbsent) {
  const ApiRequest request = hello(
      R"(, "system": null, "stream": null, "stop_sequences": null, "temperature": null, "top_p": null, "top_k": null,
          "tools": null, "tool_choice": null, "thinking": null, "output_config": null, "context_management": null,
          "mcp_servers": null, "container": null, "never_heard_of": null)");
  EXPECT_EQ(request.chat.messages.size(), 1U);
  EXPECT_TRUE(request.sampling.numbers.empty());
}

TEST(AnthropicRequest, CarriesWhatClientsSendAlong) {
  const ApiRequest request = hello(
      R"(, "metadata": {"user_id": "x"}, "cache_control": {"type": "ephemeral", "ttl": "5m"}, "service_tier": "auto",
          "diagnostics": {"previous_message_id": "m"}, "speed": "standard", "inference_geo": "us", "betas": ["a"])");
  EXPECT_THAT(request.ignored, ElementsAre());
  EXPECT_THAT(error_of(R"(, "speed": "fast")"), HasSubstr("speed"));
}

TEST(AnthropicRequest, RefusesWhatItDoesNotDo) {
  EXPECT_THAT(error_of(R"(, "mcp_servers": [])"), HasSubstr("mcp_servers"));
  EXPECT_THAT(error_of(R"(, "container": "c")"), HasSubstr("container"));
  const Problem unknown = problem(kHello, R"(, "frobnicate": 1, "n": 2)");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_THAT(unknown.message, HasSubstr("'frobnicate', 'n'"));
  EXPECT_THAT(unknown.message, HasSubstr("--ignore-unknown-fields"));
}

TEST(AnthropicRequest, IgnoresUnknownFieldsIfAsked) {
  const ApiRequest request =
      parse_messages(body_with(R"([{"role": "user", "content": [{"type": "text", "text": "x", "hue": 1}]}])",
                               R"(, "frobnicate": 1, "tools": [{"name": "f", "input_schema": {}, "color": "red"}])"),
                     {.unknown = UnknownFields::ignore, .key_owner = ""})
          .request;
  EXPECT_THAT(request.ignored, ElementsAre("frobnicate", "messages.0.content.0.hue", "tools[0].color"));
  EXPECT_EQ(dump_json(request.chat.tools), R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])");
}

// ---- the system's texts ----

TEST(AnthropicRequest, TheSystemTextStandsInFront) {
  const std::string wanted = R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])";
  EXPECT_EQ(history(kHello, R"(, "system": "Be brief.")"), wanted);
  EXPECT_EQ(history(kHello, R"(, "system": [{"type": "text", "text": "Be ", "cache_control": {"type": "ephemeral"}},
                                            {"type": "text", "text": "brief."}])"),
            wanted);
  EXPECT_EQ(history(kHello, R"(, "system": "")"), kHello);
  EXPECT_EQ(history(kHello, R"(, "system": [])"), kHello);
  EXPECT_EQ(problem(kHello, R"(, "system": 1)").param, "system");
  EXPECT_EQ(problem(kHello, R"(, "system": [{"type": "image"}])").param, "system.0");
}

TEST(AnthropicRequest, TheBillingHeaderIsDropped) {
  constexpr std::string_view kBilling = "x-anthropic-billing-header: cc_version=2.1.197.66f; cc_entrypoint=cli;";
  const std::string wanted = R"([{"role": "system", "content": "You code."}, {"role": "user", "content": "Hello"}])";
  EXPECT_EQ(history(kHello, fmt::format(R"(, "system": [{{"type": "text", "text": "{}"}},
                                                        {{"type": "text", "text": "You code."}}])",
                                        kBilling)),
            wanted);
  EXPECT_EQ(history(kHello, fmt::format(R"(, "system": "{}\nYou code.")", kBilling)), wanted);
  EXPECT_EQ(history(kHello, fmt::format(R"(, "system": "{}")", kBilling)), kHello);
  EXPECT_EQ(history(kHello, R"(, "system": "About x-anthropic-billing-header: it is dropped.")"),
            R"([{"role": "system", "content": "About x-anthropic-billing-header: it is dropped."}, )"
            R"({"role": "user", "content": "Hello"}])");
}

TEST(AnthropicRequest, ASystemMessageStaysWhereItIs) {
  EXPECT_EQ(
      history(
          R"([{"role": "user", "content": "a"}, {"role": "system", "output_config": {"effort": "low"}, "content": [{"type": "text", "text": "s"}]},
                        {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}])"),
      R"([{"role": "user", "content": "a"}, {"role": "system", "content": "s"}, )"
      R"({"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}])");
}

// ---- history ----

TEST(AnthropicRequest, TextsOfAMessageAreJoined) {
  EXPECT_EQ(history(R"([{"role": "user", "content": [{"type": "text", "text": "a\n"},
                         {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}, "citations": null}]}])"),
            R"([{"role": "user", "content": "a\nb"}])");
  EXPECT_EQ(history(R"([{"role": "user", "content": ""}, {"role": "user", "content": []}, {"role": "user"}])"),
            R"([{"role": "user", "content": ""}, {"role": "user", "content": ""}, {"role": "user", "content": ""}])");
}

constexpr std::string_view kCalls = R"({"role": "assistant", "content": [
    {"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "redacted_thinking", "data": "x"},
    {"type": "text", "text": "I look."},
    {"type": "tool_use", "id": "t1", "name": "f", "input": {"b": 1, "a": "x"}, "caller": {"type": "direct"}},
    {"type": "tool_use", "id": "t2", "name": "g", "input": {}, "toolset_name": null}]})";
constexpr std::string_view kCallsRead =
    R"({"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [)"
    R"({"id": "t1", "type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": "x"}}}, )"
    R"({"id": "t2", "type": "function", "function": {"name": "g", "arguments": {}}}]})";

TEST(AnthropicRequest, BlocksOfTheAssistantAreOneMessage) {
  EXPECT_EQ(history(fmt::format(R"([{}, {{"role": "user", "content": "c"}}])", kCalls)),
            fmt::format(R"([{}, {{"role": "user", "content": "c"}}])", kCallsRead));
}

TEST(AnthropicRequest, ResultsAreInTheOrderOfTheirCallsAndTheTextFollows) {
  const std::string results = R"({"role": "user", "content": [
      {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "two "}, {"type": "text", "text": "2"}]},
      {"type": "tool_result", "tool_use_id": "t1", "content": "no such file", "is_error": true,
       "cache_control": {"type": "ephemeral"}},
      {"type": "text", "text": "go on"}]})";
  EXPECT_EQ(history(fmt::format("[{}, {}]", kCalls, results)),
            fmt::format(R"([{}, {{"role": "tool", "content": "Error: no such file", "tool_call_id": "t1"}}, )"
                        R"({{"role": "tool", "content": "two 2", "tool_call_id": "t2"}}, )"
                        R"({{"role": "user", "content": "go on"}}])",
                        kCallsRead));
}

TEST(AnthropicRequest, AResultMayBeEmptyAndItsCallUnknown) {
  EXPECT_EQ(history(R"([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "lost"}]}])"),
            R"([{"role": "tool", "content": "", "tool_call_id": "lost"}])");
  EXPECT_EQ(history(fmt::format(R"([{}, {{"role": "user", "content": [
      {{"type": "tool_result", "tool_use_id": "t1", "content": [], "is_error": false}}]}}])",
                                kCalls)),
            fmt::format(R"([{}, {{"role": "tool", "content": "", "tool_call_id": "t1"}}])", kCallsRead));
}

TEST(AnthropicRequest, AnAnswerMayBeHandedBackAsItCame) {
  EXPECT_EQ(
      history(R"([{"id": "msg_1", "type": "message", "role": "assistant", "model": "demo", "stop_reason": "end_turn",
                         "stop_sequence": null, "usage": {"input_tokens": 1}, "annotations": [], "name": "",
                         "content": [{"type": "text", "text": "a", "logprobs": {}, "parsed_output": {"a": 1}}]},
                        {"role": "user", "content": "b"}])"),
      R"([{"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}])");
}

TEST(AnthropicRequest, ErrorsNameMessageAndBlock) {
  const auto where = [](std::string_view messages) { return problem(messages).param; };
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "source": {}}]}])"),
            "messages.0.content.1");
  EXPECT_EQ(where(R"([{"role": "user", "content": "x"}, {"role": "user", "content": [{"type": "document"}]}])"),
            "messages.1.content.0");
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
                       "content": [{"type": "text", "text": ""}, {"type": "image"}]}]}])"),
            "messages.0.content.0.content.1");
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}])"),
            "messages.0.content.0");
  EXPECT_EQ(where(R"([{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "t"}]}])"),
            "messages.0.content.0");
  EXPECT_EQ(
      where(R"([{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "{}"}]}])"),
      "messages.0.content.0.input");
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"text": "x"}]}])"), "messages.0.content.0.type");
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"type": "text"}]}])"), "messages.0.content.0.text");
  EXPECT_EQ(where(R"([{"role": "user", "content": [{"type": "text", "text": 1}]}])"), "messages.0.content.0.text");
  EXPECT_EQ(where(R"([{"role": "user", "content": ["x"]}])"), "messages.0.content.0");
  EXPECT_EQ(where(R"([{"role": "user", "content": {}}])"), "messages.0.content");
  EXPECT_EQ(where(R"([{"role": "tool", "content": "x"}])"), "messages.0.role");
  EXPECT_EQ(where(R"([{"content": "x"}])"), "messages.0.role");
  EXPECT_EQ(where(R"(["x"])"), "messages.0");
  EXPECT_EQ(where(R"([{"role": "user", "content": "x", "frobnicate": 1}])"), "messages.0.frobnicate");
  EXPECT_THAT(problem(R"([{"role": "user", "content": [{"type": "image"}]}])").message,
              HasSubstr("this model reads text only"));
}

TEST(AnthropicRequest, ATextOfTheAssistantAtTheEndIsContinued) {
  const ApiRequest request =
      request_of(R"([{"role": "user", "content": "a"}, {"role": "assistant", "content": "The answer is"}])");
  EXPECT_TRUE(request.continues_answer);
  EXPECT_EQ(request.chat.messages.size(), 2U);
  const std::string question = R"({"role": "user", "content": "a"})";
  const auto refused = [&](std::string_view last, std::string_view fields = "") {
    return problem(fmt::format("[{}, {}]", question, last), fields).param;
  };
  EXPECT_EQ(refused(kCalls), "messages.1");
  EXPECT_EQ(refused(R"({"role": "assistant", "content": " "})"), "messages.1");
  EXPECT_EQ(refused(R"({"role": "assistant", "content": [{"type": "thinking", "thinking": "x"}]})"), "messages.1");
  const std::string begun = R"({"role": "assistant", "content": "x"})";
  EXPECT_EQ(refused(begun, R"(, "thinking": {"type": "adaptive"})"), "messages.1");
  EXPECT_EQ(refused(begun, R"(, "output_config": {"format": {"type": "json_schema", "schema": {}}})"), "messages.1");
}

// ---- tools ----

TEST(AnthropicRequest, DeclaresTools) {
  EXPECT_EQ(
      dump_json(hello(fmt::format(R"(, "tools": {})", kTools)).chat.tools),
      R"([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}, )"
      R"({"type": "function", "function": {"name": "g", "parameters": {"type": "object"}}}])");
  const ApiRequest carried = hello(
      R"(, "tools": [{"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral"}, "strict": true,
                      "eager_input_streaming": true, "input_examples": [{}], "allowed_callers": ["direct"],
                      "defer_loading": false}])");
  EXPECT_EQ(dump_json(carried.chat.tools),
            R"([{"type": "function", "function": {"name": "f", "parameters": {}, "strict": true}}])");
  EXPECT_TRUE(hello(R"(, "tools": [])").chat.tools.empty());
}

TEST(AnthropicRequest, RefusesToolsOfTheServer) {
  const auto refused = [](std::string_view tool) {
    return problem(kHello, fmt::format(R"(, "tools": [{}, {}])", R"({"name": "a", "input_schema": {}})", tool));
  };
  for (const char* type : {"web_search_20250305", "bash_20250124", "text_editor_20250728", "computer_20250124",
                           "memory_20250818", "mcp_toolset", "function"}) {
    const Problem found = refused(fmt::format(R"({{"type": "{}", "name": "b", "max_uses": 5}})", type));
    EXPECT_EQ(found.param, "tools[1].type");
    EXPECT_THAT(found.message, HasSubstr(type));
  }
  EXPECT_EQ(refused(R"({"name": "b", "input_schema": {}, "allowed_callers": ["code_execution_20250825"]})").param,
            "tools[1].allowed_callers");
  EXPECT_EQ(refused(R"({"name": "b", "input_schema": {}, "hue": 1})").param, "tools[1].hue");
  EXPECT_EQ(refused(R"({"input_schema": {}})").param, "tools[1].name");
  EXPECT_EQ(refused("1").param, "tools[1]");
  EXPECT_THAT(refused(R"({"name": "a", "input_schema": {}})").message, HasSubstr("'a'"));
}

TEST(AnthropicRequest, AToolThatIsDeferredIsSeenOnceASearchHasFoundIt) {
  const auto seen = [](std::string_view content) {
    const std::string messages = fmt::format(
        R"([{{"role": "user", "content": [{{"type": "tool_result", "tool_use_id": "t", "content": {}}}]}}])", content);
    const ApiRequest request = request_of(messages, R"(, "tools": [
        {"name": "search", "input_schema": {}}, {"name": "late", "input_schema": {}, "defer_loading": true},
        {"name": "later", "input_schema": {}, "defer_loading": true}])");
    std::string names;
    for (const json::value& tool : request.chat.tools)
      names += std::string(tool.at("function").at("name").as_string()) + " ";
    return names + std::string(request.chat.messages.at(0).at("content").as_string());
  };
  EXPECT_EQ(seen(R"("nothing")"), "search nothing");
  EXPECT_EQ(seen(R"([{"type": "text", "text": "x"}, {"type": "tool_reference", "tool_name": "late"}])"),
            "search late x\nThe tool late is there now.");
  EXPECT_EQ(seen(R"([{"type": "tool_reference", "tool_name": "later", "cache_control": {}},
                     {"type": "tool_reference", "tool_name": "gone"}])"),
            "search later The tool later is there now.\nThe tool gone is there now.");
  EXPECT_EQ(problem(R"([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t",
                         "content": [{"type": "tool_reference"}]}]}])")
                .param,
            "messages.0.content.0.content.0.tool_name");
}

TEST(AnthropicRequest, ChoosesTools) {
  const auto with = [](std::string_view choice) {
    return hello(fmt::format(R"(, "tools": {}, "tool_choice": {})", kTools, choice)).chat;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(with(R"({"type": "auto"})").constraint));
  EXPECT_TRUE(with(R"({"type": "none"})").tool_use.banned);
  EXPECT_EQ(with(R"({"type": "none"})").tools.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(with(R"({"type": "any"})").constraint));
  EXPECT_THAT(with(R"({"type": "any"})").tool_use.allowed, ElementsAre());
  const ChatRequest one = with(R"({"type": "tool", "name": "g", "disable_parallel_tool_use": true})");
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(one.constraint));
  EXPECT_THAT(one.tool_use.allowed, ElementsAre("g"));
  EXPECT_FALSE(one.tool_use.parallel);
  EXPECT_FALSE(with(R"({"type": "auto", "disable_parallel_tool_use": true})").tool_use.parallel);
  EXPECT_TRUE(with(R"({"type": "auto"})").tool_use.parallel);

  for (const char* type : {"any", "auto", "none"}) {
    EXPECT_THAT(error_of(fmt::format(R"(, "tool_choice": {{"type": "{}"}})", type)), HasSubstr("tool_choice"));
  }
  const auto refused = [](std::string_view choice) {
    return error_of(fmt::format(R"(, "tools": {}, "tool_choice": {})", kTools, choice));
  };
  EXPECT_THAT(refused(R"({"type": "tool", "name": "h"})"), HasSubstr("h"));
  EXPECT_THAT(refused(R"({"type": "tool"})"), HasSubstr("tool_choice.name"));
  EXPECT_THAT(refused(R"({"type": "some"})"), HasSubstr("tool_choice.type"));
  EXPECT_THAT(refused(R"("auto")"), HasSubstr("tool_choice"));
}

// ---- thinking ----

TEST(AnthropicRequest, ThinksWhenAsked) {
  const auto budget = [](std::string_view fields) -> std::string {
    const ChatRequest chat = hello(fmt::format(", {}", fields)).chat;
    return chat.thinking ? std::to_string(chat.thinking_budget) : "off";
  };
  EXPECT_EQ(budget(R"("thinking": {"type": "disabled"})"), "off");
  EXPECT_EQ(budget(R"("thinking": {"type": "adaptive"})"), "0");
  EXPECT_EQ(budget(R"("thinking": {"type": "adaptive", "display": "summarized"})"), "0");
  EXPECT_EQ(budget(R"("thinking": {"type": "between_tools"})"), "0");
  EXPECT_EQ(budget(R"("thinking": {"type": "enabled", "budget_tokens": 50})"), "50");
  EXPECT_EQ(budget(R"("thinking": {"type": "enabled", "budget_tokens": 31999})"), "99");  // of max_tokens 100
  EXPECT_EQ(budget(R"("output_config": {"effort": "high"})"), "off");
  EXPECT_EQ(budget(R"("thinking": {"type": "disabled"}, "output_config": {"effort": "high"})"), "off");
  EXPECT_EQ(budget(R"("thinking": {"type": "adaptive"}, "output_config": {"effort": "low"})"), "99");
  EXPECT_EQ(budget(R"("thinking": {"type": "adaptive"}, "output_config": {"effort": "max"})"), "0");
  EXPECT_EQ(budget(R"("thinking": {"type": "adaptive"}, "output_config": {"effort": "none"})"), "off");
  EXPECT_EQ(budget(R"("thinking": {"type": "enabled", "budget_tokens": 7}, "output_config": {"effort": "max"})"), "7");
  for (const char* wrong :
       {R"("thinking": {"type": "on"})", R"("thinking": {})", R"("thinking": true)",
        R"("thinking": {"type": "enabled", "budget_tokens": 0})", R"("output_config": {"effort": "enormous"})"}) {
    EXPECT_EQ(problem(kHello, fmt::format(", {}", wrong)).status, 400) << wrong;
  }
}

TEST(AnthropicRequest, EffortSetsTheBudget) {
  const json::object body = object_of(
      R"({"max_tokens": 64000, "messages": [{"role": "user", "content": "x"}], "thinking": {"type": "adaptive"},
          "output_config": {"effort": "medium", "format": null}})");
  EXPECT_EQ(parse_messages(body, {}).request.chat.thinking_budget, 8192U);
}

std::string reasoning_kept(std::string_view management) {
  const std::string messages = R"([{"role": "user", "content": "q"},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "1"}, {"type": "text", "text": "a"}]},
      {"role": "user", "content": "q"},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "2"},
                                        {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "3"}, {"type": "text", "text": "a"}]},
      {"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}, {"role": "user", "content": "q"}])";
  std::string kept;
  const ApiRequest request = request_of(messages, fmt::format(R"(, "context_management": {})", management));
  for (const json::value& message : request.chat.messages) {
    if (const json::value* reasoning = message.get_object().if_contains("reasoning_content")) {
      kept += std::string_view(reasoning->get_string());
    }
  }
  return kept;
}

TEST(AnthropicRequest, ClearsThinkingOfOldTurns) {
  const auto keep = [](std::string_view keep_field) {
    return reasoning_kept(fmt::format(R"({{"edits": [{{"type": "clear_thinking_20251015"{}}}]}})", keep_field));
  };
  EXPECT_EQ(reasoning_kept("{}"), "123");
  EXPECT_EQ(reasoning_kept(R"({"edits": []})"), "123");
  EXPECT_EQ(keep(R"(, "keep": "all")"), "123");
  EXPECT_EQ(keep(R"(, "keep": {"type": "all"})"), "123");
  EXPECT_EQ(keep(R"(, "keep": {"type": "thinking_turns", "value": 2})"), "123");
  EXPECT_EQ(keep(R"(, "keep": {"type": "thinking_turns", "value": 1})"), "23");
  EXPECT_EQ(keep(""), "23");
  for (const char* wrong :
       {R"({"edits": [{"type": "clear_tool_uses_20250919", "trigger": {}}]})",
        R"({"edits": [{"type": "compact_20260112"}]})", R"({"edits": [1]})", R"({"edits": 1})",
        R"({"edits": [{"type": "clear_thinking_20251015", "keep": "some"}]})",
        R"({"edits": [{"type": "clear_thinking_20251015", "keep": {"type": "thinking_turns", "value": 0}}]})",
        R"({"trim": 1})"}) {
    EXPECT_THAT(error_of(fmt::format(R"(, "context_management": {})", wrong)), HasSubstr("context_management"))
        << wrong;
  }
}

// ---- constrained answers ----

TEST(AnthropicRequest, TheAnswerFitsASchema) {
  const ApiRequest request = hello(
      R"(, "tools": [], "thinking": {"type": "disabled"}, "temperature": 1,
          "output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "title": "T"}}})");
  const auto* constraint = std::get_if<JsonSchemaOutput>(&request.chat.constraint);
  ASSERT_NE(constraint, nullptr);
  EXPECT_EQ(dump_json(constraint->schema), R"({"type": "object", "title": "T"})");
  for (const char* wrong : {R"({"type": "json_object"})", R"({"type": "json_schema"})", R"({"schema": {}})",
                            R"("json")", R"({"type": "json_schema", "schema": []})"}) {
    EXPECT_THAT(error_of(fmt::format(R"(, "output_config": {{"format": {}}})", wrong)),
                HasSubstr("output_config.format"))
        << wrong;
  }
  EXPECT_THAT(error_of(R"(, "output_config": {"task_budget": {}})"), HasSubstr("output_config.task_budget"));
}

TEST(AnthropicRequest, ACallThatMustComeLeavesNoRoomForTheFormat) {
  const ApiRequest request = hello(fmt::format(
      R"(, "tools": {}, "tool_choice": {{"type": "any"}}, "output_config": {{"format": {{"type": "json_schema", "schema": {{}}}}}})",
      kTools));
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(request.chat.constraint));
}

// ---- counting ----

ApiRequest count(const json::object& body) { return parse_count_tokens(body, {}).request; }

TEST(AnthropicCount, NeedsNeitherMaxTokensNorMessages) {
  const ApiRequest foo = count(object_of(R"({"messages": [{"role": "user", "content": "foo"}], "tools": []})"));
  EXPECT_EQ(dump_json(foo.chat.messages), R"([{"role": "user", "content": "foo"}])");
  const ApiRequest tools = count(object_of(fmt::format(R"({{"model": "m", "messages": [], "tools": {}}})", kTools)));
  EXPECT_EQ(tools.model, "m");
  EXPECT_EQ(tools.chat.tools.size(), 2U);
  EXPECT_EQ(dump_json(tools.chat.messages), R"([{"role": "user", "content": ""}])");
  EXPECT_EQ(count(object_of(R"({"max_tokens": 0})")).chat.max_tokens, 0U);
  EXPECT_EQ(dump_json(count_tokens_answer(12)), R"({"input_tokens": 12})");
  EXPECT_EQ(problem_from([] { count(object_of(R"({"frobnicate": 1})")); }).param, "frobnicate");
}

TEST(AnthropicCount, CountsThePromptOfTheRequest) {
  const json::object body = body_with(kHello, R"(, "system": "s", "thinking": {"type": "adaptive"})");
  const ApiRequest counted = count(body);
  const ApiRequest asked = parse_messages(body, {}).request;
  EXPECT_EQ(counted.chat.messages, asked.chat.messages);
  EXPECT_EQ(counted.chat.thinking, asked.chat.thinking);
  EXPECT_EQ(counted.chat.template_options, asked.chat.template_options);
}

}  // namespace
}  // namespace glimt
