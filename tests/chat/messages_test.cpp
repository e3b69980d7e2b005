#include "chat/messages.h"

#include "base/throws.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::HasSubstr;

json::array list(std::string_view text) { return parse_json(text, "test").as_array(); }

std::string message(std::string_view text) {
  return dump_json(normalized_messages(list(fmt::format("[{}]", text))).at(0));
}

std::string tool(std::string_view text) { return dump_json(normalized_tools(list(fmt::format("[{}]", text))).at(0)); }

// The message of the error for one message or one tool.
std::string message_error(std::string_view text) {
  try {
    return message(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.what();
  }
}

std::string tool_error(std::string_view text) {
  try {
    return tool(text);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
    return error.what();
  }
}

TEST(Messages, NoContentIsEmpty) {
  EXPECT_EQ(message(R"({"role": "user"})"), R"({"role": "user", "content": ""})");
  EXPECT_EQ(message(R"({"role": "assistant", "content": null, "tool_calls": null, "function_call": null})"),
            R"({"role": "assistant", "content": ""})");
  EXPECT_EQ(message(R"({"role": "tool", "content": []})"), R"({"role": "tool", "content": ""})");
}

TEST(Messages, TextPartsAreJoined) {
  const std::string parts = R"(["a", {"type": "text", "text": "b\n", "cache_control": {"type": "ephemeral"}},
                               {"type": "input_text", "text": ""}, {"text": "c"}, {"type": "output_text", "text": "d",
                               "annotations": []}])";
  for (const char* role : {"user", "assistant", "system", "tool"}) {
    EXPECT_EQ(message(fmt::format(R"({{"role": "{}", "content": {}}})", role, parts)),
              fmt::format(R"({{"role": "{}", "content": "ab\ncd"}})", role));
  }
}

TEST(Messages, ARefusalIsWhatWasSaid) {
  EXPECT_EQ(message(R"({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]})"),
            R"({"role": "assistant", "content": "no"})");
  EXPECT_EQ(message(R"({"role": "assistant", "content": null, "refusal": "no"})"),
            R"({"role": "assistant", "content": "no"})");
  EXPECT_EQ(message(R"({"role": "assistant", "content": "yes", "refusal": null})"),
            R"({"role": "assistant", "content": "yes"})");
}

TEST(Messages, RolesHaveTheNamesOfTheTemplate) {
  EXPECT_EQ(message(R"({"role": "developer", "content": "x"})"), R"({"role": "system", "content": "x"})");
  EXPECT_EQ(message(R"({"role": "function", "content": "x", "name": "f"})"),
            R"({"role": "tool", "content": "x", "name": "f"})");
}

TEST(Messages, TheReasoningHasOneName) {
  EXPECT_EQ(message(R"({"role": "assistant", "content": "x", "reasoning": "r", "thinking": "t"})"),
            R"({"role": "assistant", "content": "x", "reasoning_content": "t"})");
  EXPECT_EQ(message(R"({"role": "assistant", "content": "x", "reasoning_content": null, "reasoning": "r"})"),
            R"({"role": "assistant", "content": "x", "reasoning_content": "r"})");
}

TEST(Messages, CallsHaveOneForm) {
  const std::string wanted = R"({"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function", )"
                             R"("function": {"name": "f", "arguments": {"n": 1500000000000000000001}}}]})";
  for (
      const char* call :
      {R"({"id": "c1", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{\"n\": 1500000000000000000001}"}})",
       R"({"id": "c1", "function": {"arguments": {"n": 1500000000000000000001}, "name": "f"}})",
       R"({"id": "c1", "name": "f", "arguments": {"n": 1500000000000000000001}})"}) {
    EXPECT_EQ(message(fmt::format(R"({{"role": "assistant", "tool_calls": [{}]}})", call)), wanted);
  }
  for (const char* none : {"", "\"arguments\": null,", "\"arguments\": \"\",", "\"arguments\": \" \","}) {
    EXPECT_EQ(message(fmt::format(R"({{"role": "assistant", "tool_calls": [{{{} "name": "f"}}]}})", none)),
              R"({"role": "assistant", "content": "", "tool_calls": [{"type": "function", )"
              R"("function": {"name": "f", "arguments": {}}}]})");
  }
}

TEST(Messages, ResultsFollowTheOrderOfTheCalls) {
  const json::array sorted = normalized_messages(list(R"([
      {"role": "assistant", "tool_calls": [{"id": "a", "name": "f"}, {"id": "b", "name": "f"}]},
      {"role": "tool", "tool_call_id": "x", "content": "3"}, {"role": "tool", "tool_call_id": "b", "content": "2"},
      {"role": "tool", "tool_call_id": "a", "tool_name": "f", "content": "1"}, {"role": "user", "content": "u"}])"));
  std::string order;
  for (const json::value& m : sorted) order += m.at("content").as_string();
  EXPECT_EQ(order, "123u");
  EXPECT_EQ(sorted.at(1).at("name").as_string(), "f");
  const json::array as_given = normalized_messages(list(R"([
      {"role": "assistant", "tool_calls": [{"id": "a", "name": "f"}, {"id": "b", "name": "f"}]},
      {"role": "tool", "tool_call_id": "b", "content": "2"}, {"role": "tool", "content": "1"}])"));
  EXPECT_EQ(as_given.at(1).at("content").as_string(), "2");
}

TEST(Messages, WhatIsNotUnderstoodIsNamed) {
  EXPECT_THAT(message_error("3"), HasSubstr("messages[0]: must be an object, got 3"));
  EXPECT_THAT(message_error(R"({"content": "x"})"), HasSubstr("messages[0]: field 'role' is missing"));
  EXPECT_THAT(message_error(R"({"role": "ipython"})"),
              HasSubstr("messages[0]: role 'ipython' is not known; there are"));
  EXPECT_THAT(message_error(R"({"role": "user", "content": 5})"), HasSubstr("messages[0].content: must be text"));
  EXPECT_THAT(message_error(R"({"role": "user", "content": 36893488147419103232})"),
              HasSubstr("got 36893488147419103232"));
  EXPECT_THAT(message_error(R"({"role": "user", "content": ["a", {"type": "image_url", "image_url": {"url": "u"}}]})"),
              HasSubstr("messages[0].content[1]: a part of type 'image_url' is not understood: this model reads text"));
  EXPECT_THAT(message_error(R"({"role": "user", "content": [{"type": "text", "text": "a", "image": "u"}]})"),
              HasSubstr("messages[0].content[0]: field 'image' is not known"));
  EXPECT_THAT(message_error(R"({"role": "user", "content": "x", "images": ["u"], "video": 1})"),
              HasSubstr("messages[0]: fields 'images', 'video' are not known"));
  EXPECT_THAT(message_error(R"({"role": "user", "tool_calls": [{"name": "f"}]})"),
              HasSubstr("messages[0]: field 'tool_calls' is not known"));
  EXPECT_THAT(message_error(R"({"role": "assistant", "function_call": {"name": "f"}})"),
              HasSubstr("field 'function_call' is not known"));
  EXPECT_THAT(message_error(R"({"role": "assistant", "reasoning": {"a": 1}})"),
              HasSubstr("field 'reasoning' must be a string"));
  EXPECT_THAT(
      message_error(R"({"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\""}}]})"),
      HasSubstr("messages[0]: tool_calls[0].function.arguments: not valid JSON"));
  EXPECT_THAT(message_error(R"({"role": "assistant", "tool_calls": [{"name": "f", "arguments": "[1]"}]})"),
              HasSubstr("messages[0]: tool_calls[0].arguments: must be an object, got [1]"));
  EXPECT_THAT(message_error(R"({"role": "assistant", "tool_calls": [{"type": "custom", "name": "f"}]})"),
              HasSubstr("a call of type 'custom' is not understood"));
  EXPECT_ERROR(normalized_messages(list("[{}]"), "file.json", ErrorKind::bad_file), ErrorKind::bad_file,
               HasSubstr("file.json: messages[0]: field 'role'"));
}

TEST(Messages, WhatSaysNothingIsLeftOut) {
  EXPECT_EQ(
      message(R"({"role": "assistant", "content": "x", "id": "m1", "annotations": [], "audio": null, "refusal": null,
                        "reasoning_details": [{"type": "t"}], "cache_control": {"type": "ephemeral"}, "images": [],
                        "function_call": null, "metadata": {}, "prefix": "", "tool_calls": []})"),
      R"({"role": "assistant", "content": "x"})");
}

TEST(Messages, AreNormalizedOnce) {
  const json::array once = normalized_messages(list(R"([{"role": "developer", "content": ["a", "b"]},
      {"role": "assistant", "thinking": "t", "tool_calls": [{"name": "f", "arguments": "{\"a\": 1}"}]},
      {"role": "function", "name": "f", "content": null}])"));
  EXPECT_EQ(normalized_messages(once), once);
}

TEST(Tools, EveryFormBecomesOpenAis) {
  const std::string wanted = R"({"type": "function", "function": {"name": "f", "description": "d", )"
                             R"("parameters": {"type": "object", "maximum": 1500000000000000000001}}})";
  const std::string schema = R"({"type": "object", "maximum": 1500000000000000000001})";
  for (const std::string& given :
       {wanted, R"({"type": "function", "name": "f", "description": "d", "parameters": )" + schema + "}",
        R"({"name": "f", "description": "d", "input_schema": )" + schema +
            R"(, "cache_control": {"type": "ephemeral"}})",
        R"({"type": "custom", "description": "d", "input_schema": )" + schema + R"(, "name": "f"})",
        R"({"name": "f", "title": "F", "description": "d", "annotations": {"readOnlyHint": true}, "inputSchema": )" +
            schema + "}",
        R"({"function": {"name": "f", "description": "d", "input_schema": )" + schema + "}}"}) {
    EXPECT_EQ(tool(given), wanted) << given;
  }
}

TEST(Tools, WhatStandsInAFunctionIsShownAsItIs) {
  const std::string given = R"({"type": "function", "function": {"strict": true, "name": "f", "return": {"a": 1}}})";
  EXPECT_EQ(tool(given), given);
}

TEST(Tools, WhatIsNotUnderstoodIsNamed) {
  EXPECT_THAT(tool_error("1"), HasSubstr("tools[0]: must be an object, got 1"));
  EXPECT_THAT(tool_error("{}"), HasSubstr("tools[0]: field 'name' is missing"));
  EXPECT_THAT(tool_error(R"({"function": {}})"), HasSubstr("tools[0].function: field 'name' is missing"));
  EXPECT_THAT(tool_error(R"({"type": "web_search_20250305", "name": "web_search"})"),
              HasSubstr("tools[0]: a tool of type 'web_search_20250305' is not supported"));
  EXPECT_THAT(tool_error(R"({"name": "f", "schema": {"type": "object"}})"), HasSubstr("field 'schema' is not known"));
  EXPECT_THAT(tool_error(R"({"name": "f", "input_schema": {"a": 1}, "parameters": {"b": 1}})"),
              HasSubstr("tools[0]: has 'parameters' and 'input_schema': give the schema once"));
  EXPECT_THAT(tool_error(R"({"name": "f", "inputSchema": 3})"), HasSubstr("field 'inputSchema' must be an object"));
  EXPECT_THAT(tool_error(R"({"function": {"name": "f"}, "parameters": {"a": 1}})"),
              HasSubstr("tools[0]: field 'parameters' is not known"));
}

}  // namespace
}  // namespace glimt
