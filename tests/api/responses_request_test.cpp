// A request for a Response, taken apart.
#include "api/responses.h"

#include "api/api_errors.h"
#include "api/response_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ApiRequest request_of(std::string_view fields, UnknownFields unknown = UnknownFields::refuse) {
  const std::string body = fmt::format(R"({{"model": "demo", "input": "Hi"{}{}}})", fields.empty() ? "" : ", ", fields);
  return parse_responses(object_of(body), {.unknown = unknown, .key_owner = "", .responses = nullptr}).request;
}

Problem problem_of_fields(std::string_view fields) {
  return problem_from([&] { request_of(fields); });
}

std::string tools_of(std::string_view tools) {
  return dump_json(request_of(fmt::format(R"("tools": {})", tools)).chat.tools);
}

constexpr std::string_view kTwoTools =
    R"("tools": [{"type": "function", "name": "a"}, {"type": "custom", "name": "b"}])";

TEST(ResponsesRequest, ATextIsEnough) {
  const ApiRequest request = request_of("");
  EXPECT_EQ(request.model, "demo");
  EXPECT_EQ(dump_json(request.chat.messages), R"([{"role": "user", "content": "Hi"}])");
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.chat.stream_calls);
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_EQ(request.chat.thinking_budget, 0U);
  EXPECT_EQ(request.chat.max_tokens, 0U);
  EXPECT_EQ(dump_json(request.chat.template_options), R"({"clear_thinking": false})");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(request.chat.constraint));
  EXPECT_TRUE(request.sampling.numbers.empty());
  EXPECT_FALSE(request.drop_oldest);
  EXPECT_THAT(request.ignored, IsEmpty());
}

TEST(ResponsesRequest, NullIsAbsent) {
  const ApiRequest request = request_of(
      R"("instructions": null, "tools": null, "tool_choice": null, "text": null, "reasoning": null, "include": null,
         "max_output_tokens": null, "temperature": null, "stream": null, "store": null, "previous_response_id": null,
         "conversation": null, "prompt": null, "moderation": null, "made_up": null, "metadata": null,
         "parallel_tool_calls": null, "truncation": null, "background": null)");
  EXPECT_THAT(request.ignored, IsEmpty());
  EXPECT_EQ(request.chat.messages.size(), 1U);
}

TEST(ResponsesRequest, InstructionsAreASystemMessageInFront) {
  EXPECT_EQ(dump_json(request_of(R"("instructions": "Be brief.")").chat.messages),
            R"([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])");
}

TEST(ResponsesRequest, SamplingGoesOverTheModelsOwn) {
  const ApiRequest request = request_of(
      R"("temperature": 0.5, "top_p": 0.25, "top_k": 3, "min_p": 0.125, "typical_p": 0.75, "repetition_penalty": 1.5,
         "max_output_tokens": 64000)");
  SamplingParams defaults;
  defaults.presence_penalty = 1;
  const SamplingParams params = request.sampling.over(defaults);
  EXPECT_EQ(params.temperature, 0.5F);
  EXPECT_EQ(params.top_p, 0.25F);
  EXPECT_EQ(params.top_k, 3);
  EXPECT_EQ(params.min_p, 0.125F);
  EXPECT_EQ(params.typical_p, 0.75F);
  EXPECT_EQ(params.repeat_penalty, 1.5F);
  EXPECT_EQ(params.presence_penalty, 1);
  EXPECT_EQ(request.chat.max_tokens, 64000U);
}

TEST(ResponsesRequest, NumbersHaveBounds) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("temperature": 2.5)", "temperature"},
      {R"("temperature": "hot")", "temperature"},
      {R"("top_p": 1.5)", "top_p"},
      {R"("max_output_tokens": 0)", "max_output_tokens"},
      {R"("max_output_tokens": 1.5)", "max_output_tokens"},
      {R"("top_logprobs": 21)", "top_logprobs"},
      {R"("top_logprobs": -1)", "top_logprobs"},
  };
  for (const auto& [fields, param] : cases) {
    const Problem problem = problem_of_fields(fields);
    EXPECT_EQ(problem.status, 400) << fields;
    EXPECT_EQ(problem.param, param) << fields;
  }
}

TEST(ResponsesRequest, LogprobsComeByIncludeOrByTheirNumber) {
  EXPECT_TRUE(request_of(R"("include": ["message.output_text.logprobs", "something.else"])").sampling.logprobs);
  const ApiRequest request = request_of(R"("top_logprobs": 5)");
  EXPECT_TRUE(request.sampling.logprobs);
  EXPECT_EQ(request.sampling.top_logprobs, 5);
  EXPECT_FALSE(request_of(R"("include": ["reasoning.encrypted_content"])").sampling.logprobs);
}

TEST(ResponsesRequest, EffortIsThinking) {
  EXPECT_FALSE(request_of(R"("reasoning": {"effort": "none"})").chat.thinking);
  EXPECT_EQ(request_of(R"("reasoning": {"effort": "low", "summary": "auto"})").chat.thinking_budget, 2048U);
  const ApiRequest request = request_of(R"("reasoning": {"summary": "detailed"})");
  EXPECT_TRUE(request.chat.thinking);
  EXPECT_EQ(request.chat.thinking_budget, 0U);
  EXPECT_EQ(problem_of_fields(R"("reasoning": {"effort": "heroic"})").param, "reasoning.effort");
  EXPECT_EQ(problem_of_fields(R"("reasoning": {"efort": "low"})").param, "reasoning.efort");
}

TEST(ResponsesRequest, TextHasAForm) {
  const auto constraint = [](std::string_view format) {
    return request_of(fmt::format(R"("text": {{"format": {}, "verbosity": "low"}})", format)).chat.constraint;
  };
  EXPECT_TRUE(std::holds_alternative<std::monostate>(constraint(R"({"type": "text"})")));
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(constraint(R"({"type": "json_object"})")));
  const OutputConstraint schema = constraint(
      R"({"type": "json_schema", "name": "n", "description": null, "strict": true, "schema": {"type": "object"}})");
  ASSERT_TRUE(std::holds_alternative<JsonSchemaOutput>(schema));
  EXPECT_EQ(dump_json(std::get<JsonSchemaOutput>(schema).schema), R"({"type": "object"})");
  EXPECT_EQ(problem_of_fields(R"("text": {"format": {"type": "json_schema"}})").param, "text.format.schema");
  EXPECT_EQ(problem_of_fields(R"("text": {"format": {"type": "xml"}})").param, "text.format.type");
  EXPECT_EQ(problem_of_fields(R"("text": {"format": {}})").param, "text.format.type");
}

TEST(ResponsesRequest, AStreamTellsCallsWhileTheyAreWritten) {
  const ApiRequest request = request_of(R"("stream": true, "stream_options": {"include_obfuscation": false})");
  EXPECT_TRUE(request.stream);
  EXPECT_TRUE(request.chat.stream_calls);
}

TEST(ResponsesRequest, TruncationDropsTheOldest) {
  EXPECT_TRUE(request_of(R"("truncation": "auto")").drop_oldest);
  EXPECT_FALSE(request_of(R"("truncation": "disabled")").drop_oldest);
  EXPECT_EQ(problem_of_fields(R"("truncation": "some")").param, "truncation");
}

// What Codex, VS Code and gateways send along.
TEST(ResponsesRequest, FieldsWithoutEffectAreAccepted) {
  const ApiRequest request = request_of(
      R"("client_metadata": {"x-codex-installation-id": "1"}, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
         "store": false, "include": [], "reasoning": {"summary": "auto"}, "user": "u", "safety_identifier": "s",
         "service_tier": "auto", "text": {"verbosity": "medium"}, "max_tool_calls": 3, "background": false,
         "metadata": {"a": "b"}, "parallel_tool_calls": true, "tool_choice": "auto", "tools": [])");
  EXPECT_THAT(request.ignored, IsEmpty());
  EXPECT_TRUE(request.chat.tool_use.parallel);
}

TEST(ResponsesRequest, WhatIsNotDoneIsRefused) {
  for (const char* field : {R"("background": true)", R"("conversation": "conv_1")", R"("prompt": {"id": "p"})",
                            R"("moderation": {"model": "m"})", R"("context_management": [{"type": "compaction"}])"}) {
    const Problem problem = problem_of_fields(field);
    EXPECT_EQ(problem.status, 400) << field;
    EXPECT_EQ(problem.code, "unsupported_value") << field;
  }
  EXPECT_EQ(problem_from([] { parse_responses(object_of(R"({"model": "demo"})"), {}); }).param, "input");
  EXPECT_EQ(problem_of_fields(R"("input": 1)").param, "input");
}

TEST(ResponsesRequest, UnknownFieldsAreNamed) {
  const Problem problem = problem_of_fields(R"("temprature": 1)");
  EXPECT_EQ(problem.code, "unknown_parameter");
  EXPECT_EQ(problem.param, "temprature");
  const ApiRequest request =
      request_of(R"("temprature": 1, "tools": [{"type": "function", "name": "a", "x": 1}])", UnknownFields::ignore);
  EXPECT_THAT(request.ignored, ElementsAre("temprature", "tools[0].x"));
  EXPECT_EQ(problem_of_fields(R"("tools": [{"type": "function", "name": "a", "x": 1}])").param, "tools[0].x");
}

// ---- tools ----

TEST(ResponsesRequest, FunctionsHaveTheFormOfAllDialects) {
  EXPECT_EQ(tools_of(R"([{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object",
                         "properties": {"b": {}, "a": {}}}, "strict": false, "defer_loading": true}])"),
            R"([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", )"
            R"("properties": {"b": {}, "a": {}}}, "strict": false}}])");
  EXPECT_EQ(tools_of(R"([{"type": "function", "name": "f", "description": null, "parameters": null, "strict": null}])"),
            R"([{"type": "function", "function": {"name": "f"}}])");
}

TEST(ResponsesRequest, ACustomToolHasOneText) {
  EXPECT_EQ(tools_of(R"([{"type": "custom", "name": "patch", "description": "Edits files.", "format": {"type":
                         "grammar", "syntax": "lark", "definition": "start: \"x\""}}])"),
            R"([{"type": "function", "function": {"name": "patch", "description": "Edits files.\n\nThe input is text )"
            R"(that this lark grammar describes:\nstart: \"x\"", "parameters": {"type": "object", "properties": )"
            R"({"input": {"type": "string"}}, "required": ["input"]}}}])");
  EXPECT_THAT(tools_of(R"([{"type": "custom", "name": "p", "format": {"type": "text"}}])"),
              HasSubstr(R"("name": "p", "description": "", "parameters")"));
  EXPECT_EQ(problem_of_fields(R"("tools": [{"type": "custom", "name": "p", "format": {"type": "xml"}}])").param,
            "tools[0].format");
}

TEST(ResponsesRequest, ToolsOfNamespacesStandByThemselves) {
  const std::string name = R"([{"type": "namespace", "name": "n", "description": "", "tools": [{"type": "function",
                               "name": "f"}, {"type": "custom", "name": "c"}]}])";
  EXPECT_THAT(tools_of(name), HasSubstr(R"([{"type": "function", "function": {"name": "f"}}, )"));
  EXPECT_THAT(tools_of(name), HasSubstr(R"({"name": "c", )"));
}

TEST(ResponsesRequest, ToolsOfOneNameInSeveralNamespacesAreToldApart) {
  EXPECT_EQ(tools_of(R"([{"type": "namespace", "name": "n", "description": "", "tools": [{"type": "function", "name":
                         "f"}]}, {"type": "namespace", "name": "m", "description": "", "tools": [{"type": "function",
                         "name": "f"}]}, {"type": "function", "name": "f"}])"),
            R"([{"type": "function", "function": {"name": "n__f"}}, {"type": "function", "function": )"
            R"({"name": "m__f"}}, {"type": "function", "function": {"name": "f"}}])");
}

// Newer clients declare their tools so; an item that comes later in a conversation may have them again.
TEST(ResponsesRequest, ItemsCanDeclareTools) {
  const json::object body =
      object_of(R"({"tools": [{"type": "function", "name": "a"}], "tool_choice": {"type": "custom",
      "name": "exec"}, "input": [
      {"type": "additional_tools", "role": "developer", "id": "at_1", "tools": [{"type": "namespace", "name": "functions",
       "description": "", "tools": [{"type": "custom", "name": "exec"}]}, {"type": "function", "name": "b"}]},
      {"role": "user", "content": "Hi"},
      {"type": "additional_tools", "tools": [{"type": "function", "name": "b", "description": "new"}]}]})");
  const ChatRequest chat = parse_responses(body, {}).request.chat;
  EXPECT_EQ(dump_json(chat.messages), R"([{"role": "user", "content": "Hi"}])");
  ASSERT_EQ(chat.tools.size(), 3U);
  EXPECT_EQ(chat.tools.at(1).at("function").at("name"), "exec");
  EXPECT_EQ(dump_json(chat.tools.at(2)), R"({"type": "function", "function": {"name": "b", "description": "new"}})");
  EXPECT_THAT(chat.tool_use.allowed, ElementsAre("exec"));
  const json::object wrong = object_of(R"({"input": [{"type": "additional_tools", "tools": [{"type": "mcp"}]}]})");
  EXPECT_EQ(problem_from([&] { parse_responses(wrong, {}); }).param, "input[0].tools[0].type");
}

TEST(ResponsesRequest, HostedToolsAreLeftOut) {
  EXPECT_EQ(
      tools_of(R"([{"type": "web_search", "external_web_access": false}, {"type": "web_search_preview_2025_03_11"},
                         {"type": "image_generation"}, {"type": "tool_search", "execution": "client"}])"),
      "[]");
}

TEST(ResponsesRequest, OtherToolsAreRefused) {
  for (const char* type :
       {"mcp", "file_search", "code_interpreter", "computer_use_preview", "local_shell", "web_searching"}) {
    const Problem problem = problem_of_fields(fmt::format(R"("tools": [{{"type": "{}"}}])", type));
    EXPECT_EQ(problem.param, "tools[0].type") << type;
    EXPECT_EQ(problem.code, "unsupported_value") << type;
  }
  EXPECT_EQ(problem_of_fields(R"("tools": [1])").param, "tools[0]");
  EXPECT_EQ(problem_of_fields(R"("tools": [{"type": "function"}])").param, "tools[0].name");
  EXPECT_EQ(problem_of_fields(R"("tools": [{"type": "namespace", "name": "n", "tools": [{"type": "namespace", "name":
                                 "m", "tools": []}]}])")
                .param,
            "tools[0].tools[0].type");
}

TEST(ResponsesRequest, ToolsOfOneNameAreRefused) {
  const Problem problem =
      problem_of_fields(R"("tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "f"}])");
  EXPECT_EQ(problem.param, "tools[1]");
  EXPECT_THAT(problem.message, HasSubstr("a tool before it is called \"f\", too"));
}

TEST(ResponsesRequest, ToolsHaveALimit) {
  json::array tools(600, json::object{{"type", "function"}, {"name", "f"}});
  const json::object name_space{{"type", "namespace"}, {"name", "n"}, {"tools", tools}};
  const json::object body{{"input", "Hi"}, {"tools", {name_space, name_space}}};
  EXPECT_THAT(problem_from([&] { parse_responses(body, {}); }).message, HasSubstr("at most 1024 entries"));
}

ChatRequest chosen(std::string_view choice, std::string_view more = "") {
  return request_of(fmt::format(R"({}, "tool_choice": {}{})", kTwoTools, choice, more)).chat;
}

TEST(ResponsesRequest, ToolChoiceIsAWord) {
  EXPECT_FALSE(chosen(R"("auto")").tool_use.banned);
  EXPECT_TRUE(chosen(R"("none")").tool_use.banned);
  EXPECT_EQ(chosen(R"("none")").tools.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(chosen(R"("required")").constraint));
  EXPECT_EQ(problem_of_fields(fmt::format(R"({}, "tool_choice": "any")", kTwoTools)).param, "tool_choice");
}

TEST(ResponsesRequest, ToolChoiceIsATool) {
  const ChatRequest request = chosen(R"({"type": "custom", "name": "b"})");
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(request.constraint));
  EXPECT_THAT(request.tool_use.allowed, ElementsAre("b"));
  EXPECT_THAT(
      problem_of_fields(fmt::format(R"({}, "tool_choice": {{"type": "function", "name": "z"}})", kTwoTools)).message,
      HasSubstr("no tool is called \"z\""));
  EXPECT_EQ(problem_of_fields(fmt::format(R"({}, "tool_choice": {{"type": "function"}})", kTwoTools)).param,
            "tool_choice.name");
  EXPECT_EQ(problem_of_fields(fmt::format(R"({}, "tool_choice": {{"type": "web_search"}})", kTwoTools)).param,
            "tool_choice");
}

TEST(ResponsesRequest, ToolChoiceIsSomeOfTheTools) {
  const ChatRequest request = chosen(
      R"({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "a"}, {"type": "web_search"}]})");
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(request.constraint));
  EXPECT_THAT(request.tool_use.allowed, ElementsAre("a"));
  EXPECT_EQ(request.tools.size(), 2U);
  const ChatRequest none = chosen(R"({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]})");
  EXPECT_TRUE(none.tool_use.banned);
}

TEST(ResponsesRequest, OneCallAtMost) {
  EXPECT_FALSE(chosen(R"("auto")", R"(, "parallel_tool_calls": false)").tool_use.parallel);
  EXPECT_TRUE(chosen(R"("auto")", R"(, "parallel_tool_calls": true)").tool_use.parallel);
}

TEST(ResponsesRequest, AChoiceNeedsTools) {
  EXPECT_EQ(problem_of_fields(R"("tool_choice": "required")").param, "tool_choice");
  EXPECT_EQ(problem_of_fields(R"("tool_choice": "required", "tools": [{"type": "web_search"}])").param, "tool_choice");
  EXPECT_FALSE(request_of(R"("tool_choice": "none")").chat.tool_use.banned);
}

// ---- what is kept ----

TEST(ResponsesRequest, KeptResponsesAreReadAndForgotten) {
  ResponseStore store;
  store.keep("ann",
             {.id = "resp_1", .previous_id = "", .input = "[]", .body = {{"id", "resp_1"}, {"output", json::array()}}});
  const ApiOptions ann{.unknown = UnknownFields::refuse, .key_owner = "ann", .responses = &store};
  const ApiOptions bob{.unknown = UnknownFields::refuse, .key_owner = "bob", .responses = &store};
  EXPECT_EQ(get_response("resp_1", ann).at("id"), "resp_1");
  EXPECT_EQ(problem_from([&] { get_response("resp_1", bob); }).status, 404);
  EXPECT_EQ(problem_from([&] { get_response("resp_1", {}); }).status, 404);
  EXPECT_EQ(problem_from([&] { delete_response("resp_1", bob); }).status, 404);
  EXPECT_EQ(dump_json(delete_response("resp_1", ann)), R"({"id": "resp_1", "object": "response", "deleted": true})");
  EXPECT_EQ(problem_from([&] { delete_response("resp_1", ann); }).message, "Response with id 'resp_1' not found.");
}

}  // namespace
}  // namespace glimt
