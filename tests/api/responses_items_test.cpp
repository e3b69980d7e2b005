// Items of the Responses dialect as messages.
#include "api/responses_items.h"

#include "api/api_errors.h"
#include "api/response_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <random>

namespace glimt {
namespace {

using testing::HasSubstr;

json::array list(std::string_view text) { return parse_json(text, "test").as_array(); }

json::array messages(const json::array& items, const ResponsesTools& tools = {}) {
  std::vector<std::string> ignored;
  return messages_of_items({.before = {}, .items = items}, tools, ignored);
}

// One line a message: "user: hi", "assistant: text (thinking) [call name arguments]", "tool call_1: output".
std::string shown(const json::array& list) {
  std::string out;
  for (const json::value& value : list) {
    const json::object& message = value.as_object();
    out += message.at("role").as_string();
    if (const auto* id = message.if_contains("tool_call_id")) out += fmt::format(" {}", std::string(id->as_string()));
    out += fmt::format(": {}", std::string(message.at("content").as_string()));
    if (const auto* thinking = message.if_contains("reasoning_content")) {
      out += fmt::format(" ({})", std::string(thinking->as_string()));
    }
    if (const auto* calls = message.if_contains("tool_calls")) {
      for (const json::value& call : calls->as_array()) {
        out += fmt::format(" [{} {} {}]", std::string(call.at("id").as_string()),
                           std::string(call.at("function").at("name").as_string()),
                           dump_json(call.at("function").at("arguments")));
      }
    }
    out += '\n';
  }
  return out;
}

std::string shown(std::string_view items) { return shown(messages(list(items))); }

Problem problem_of_items(std::string_view items) {
  return problem_from([&] { messages(list(items)); });
}

TEST(ResponsesItems, MessagesHaveRolesAndTexts) {
  EXPECT_EQ(shown(R"([{"role": "developer", "content": "Be brief."},
                      {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "More."}]},
                      {"type": "message", "role": "user", "id": "msg_9", "status": "completed",
                       "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}]},
                      {"role": "assistant", "content": [{"type": "output_text", "text": "c", "annotations": [],
                       "logprobs": []}, {"type": "refusal", "refusal": "d"}]},
                      {"role": "user", "content": null}])"),
            "system: Be brief.\nsystem: More.\nuser: ab\nassistant: cd\nuser: \n");
}

TEST(ResponsesItems, OneTurnIsOneMessage) {
  EXPECT_EQ(shown(R"([{"role": "user", "content": "?"},
                      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                      {"type": "message", "role": "assistant", "content": "I look."},
                      {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\": 1}"},
                      {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
                      {"type": "function_call_output", "call_id": "c1", "output": "1"},
                      {"type": "function_call_output", "call_id": "c2", "output": "2"},
                      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
                      {"type": "message", "role": "assistant", "content": "Done."}])"),
            "user: ?\nassistant: I look. (hm) [c1 f {\"a\": 1}] [c2 g {}]\ntool c1: 1\ntool c2: 2\n"
            "assistant: Done. (so)\n");
}

// Some clients replay a message between a call and its output.
TEST(ResponsesItems, ATurnGoesOnUntilItsCallsAreAnswered) {
  EXPECT_EQ(shown(R"([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
                      {"type": "message", "role": "assistant", "content": "I look."},
                      {"type": "function_call_output", "call_id": "c1", "output": "1"},
                      {"type": "message", "role": "assistant", "content": "Done."}])"),
            "assistant: I look. [c1 f {}]\ntool c1: 1\nassistant: Done.\n");
  EXPECT_EQ(shown(R"([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
                      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
                      {"type": "function_call_output", "call_id": "c2", "output": "2"},
                      {"type": "message", "role": "assistant", "content": "I look."},
                      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                      {"type": "function_call_output", "call_id": "c1", "output": "1"},
                      {"type": "message", "role": "assistant", "content": "Done."}])"),
            "assistant: I look. (hm) [c1 f {}] [c2 f {}]\ntool c1: 1\ntool c2: 2\nassistant: Done.\n");
}

TEST(ResponsesItems, CallsThatAreAnsweredOneByOneAreTurns) {
  EXPECT_EQ(shown(R"([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
                      {"type": "function_call_output", "call_id": "c1", "output": "1"},
                      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
                      {"type": "function_call_output", "call_id": "c2", "output": "2"}])"),
            "assistant:  [c1 f {}]\ntool c1: 1\nassistant:  [c2 f {}]\ntool c2: 2\n");
}

TEST(ResponsesItems, ACallWithoutOutputDoesNotHoldTheTurn) {
  EXPECT_EQ(shown(R"([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""},
                      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
                      {"type": "function_call_output", "call_id": "c2", "output": "2"},
                      {"type": "message", "role": "assistant", "content": "Done."}])"),
            "assistant:  [c1 f {}] [c2 f {}]\ntool c2: 2\nassistant: Done.\n");
  EXPECT_EQ(shown(R"([{"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""}])"),
            "assistant:  [c1 f {}]\n");
}

TEST(ResponsesItems, ThinkingBehindATextIsAnotherTurn) {
  EXPECT_EQ(shown(R"([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]},
                      {"type": "message", "role": "assistant", "content": "A"},
                      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "b"}]},
                      {"type": "message", "role": "assistant", "content": "B"}])"),
            "assistant: A (a)\nassistant: B (b)\n");
}

TEST(ResponsesItems, OutputsOfCallsThatAreNotThereStay) {
  EXPECT_EQ(shown(R"([{"type": "function_call_output", "call_id": "c0", "output": "0"},
                      {"role": "user", "content": "?"}])"),
            "tool c0: 0\nuser: ?\n");
}

TEST(ResponsesItems, OutputsAreTexts) {
  EXPECT_EQ(shown(R"([{"type": "function_call_output", "call_id": "c0", "output": [{"type": "input_text", "text": "a"},
                      {"type": "output_text", "text": "b"}]},
                      {"type": "custom_tool_call_output", "call_id": "c1", "output": "c"},
                      {"type": "function_call_output", "call_id": "c2"}])"),
            "tool c0: ab\ntool c1: c\ntool c2: \n");
}

TEST(ResponsesItems, ReasoningIsTheFirstOfItsThreeForms) {
  const auto reasoning = [](std::string_view fields) {
    return shown(fmt::format(R"([{{"type": "reasoning", "id": "rs_1", {}}}])", fields));
  };
  const std::string encrypted = encrypted_content("ours\n\"æ\"");
  EXPECT_EQ(reasoning(fmt::format(R"("summary": [], "content": null, "encrypted_content": "{}")", encrypted)),
            "assistant:  (ours\n\"æ\")\n");
  EXPECT_EQ(reasoning(fmt::format(R"("summary": [{{"type": "summary_text", "text": "short"}}],
                                     "content": [{{"type": "reasoning_text", "text": "long"}}],
                                     "encrypted_content": "{}")",
                                  encrypted)),
            "assistant:  (long)\n");
  EXPECT_EQ(reasoning(R"("summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
                         "encrypted_content": "gAAAAABo_of_another_server")"),
            "assistant:  (a\n\nb)\n");
  EXPECT_EQ(reasoning(R"("summary": [], "encrypted_content": "glimt1.!!!")"), "assistant: \n");
}

TEST(ResponsesItems, ArgumentsThatAreNoObjectAreOneText) {
  const auto arguments = [](std::string_view text) {
    return shown(json::array(
        messages({json::object{{"type", "function_call"}, {"call_id", "c"}, {"name", "f"}, {"arguments", text}}})));
  };
  EXPECT_EQ(arguments(R"({"n": 1500000000000000000001, "s": "x"})"),
            "assistant:  [c f {\"n\": 1500000000000000000001, \"s\": \"x\"}]\n");
  EXPECT_EQ(arguments("{\"path\": \"a"), "assistant:  [c f {\"arguments\": \"{\\\"path\\\": \\\"a\"}]\n");
  EXPECT_EQ(arguments("[1]"), "assistant:  [c f {\"arguments\": \"[1]\"}]\n");
  EXPECT_EQ(arguments(" "), "assistant:  [c f {}]\n");
}

TEST(ResponsesItems, CallsOfCustomToolsAndNamespacesHaveTheNamesThatTheModelKnows) {
  std::vector<std::string> ignored;
  const json::array declared = list(R"([
      {"type": "custom", "name": "patch"},
      {"type": "namespace", "name": "a", "description": "", "tools": [{"type": "function", "name": "run"}]},
      {"type": "namespace", "name": "b", "description": "", "tools": [{"type": "function", "name": "run"},
                                                                     {"type": "function", "name": "stop"}]}])");
  const ResponsesTools tools({{declared, "tools"}}, UnknownFields::refuse, ignored);
  EXPECT_EQ(shown(messages(list(R"([
      {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": "*** Begin"},
      {"type": "function_call", "call_id": "c2", "name": "run", "namespace": "b", "arguments": "{}"},
      {"type": "function_call", "call_id": "c3", "name": "stop", "namespace": "b", "arguments": "{}"},
      {"type": "function_call", "call_id": "c4", "name": "gone", "namespace": "c", "arguments": "{}"}])"),
                           tools)),
            "assistant:  [c1 patch {\"input\": \"*** Begin\"}] [c2 b__run {}] [c3 stop {}] [c4 gone {}]\n");
}

TEST(ResponsesItems, ItemsOfHostedToolsAreLeftOut) {
  EXPECT_EQ(shown(R"([{"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
                      {"type": "image_generation_call", "id": "ig_1", "result": null},
                      {"type": "local_shell_call_output", "id": "l", "output": ""}, {"type": "compaction"},
                      {"role": "user", "content": "?"}])"),
            "user: ?\n");
}

TEST(ResponsesItems, FieldsOfAnItemThatAreNotKnownAreNamed) {
  std::vector<std::string> ignored;
  messages_of_items({.before = {}, .items = list(R"([{"role": "user", "content": "?", "mood": "good"}])")}, {},
                    ignored);
  EXPECT_EQ(ignored, std::vector<std::string>{"input[0].mood"});
}

TEST(ResponsesItems, WhatIsNotUnderstoodIsNamed) {
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {R"([{"role": "king", "content": ""}])", "input[0].role", "one of 'user', 'assistant', 'system', 'developer'"},
      {R"([{"type": "message", "content": ""}])", "input[0].role", "is required"},
      {R"([{"type": "dream"}])", "input[0].type", "items of type \"dream\" are not understood"},
      {R"([{}])", "input[0].type", "not understood"},
      {R"([{"type": "function_call", "name": "f", "arguments": "{}"}])", "input[0].call_id", "is required"},
      {R"([{"type": "function_call", "call_id": "c", "arguments": "{}"}])", "input[0].name", "is required"},
      {R"([{"type": "function_call", "call_id": "c", "name": "f", "arguments": 1}])", "input[0].arguments", "got 1"},
      {R"([{"type": "function_call_output", "call_id": "c", "output": {"a": 1}}])", "input[0].output",
       "a string or an"},
      {R"([{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}])", "input[0].content[0].type",
       "this model reads text only"},
      {R"([{"role": "user", "content": [{"type": "sound"}]}])", "input[0].content[0].type", "must be one of"},
      {R"([{"role": "user", "content": [1]}])", "input[0].content[0]", "must be a text part, got 1"},
      {R"([{"role": "user", "content": 1}])", "input[0].content", "a string or an array, got 1"},
      {R"([{"type": "reasoning", "summary": "x"}])", "input[0].summary", "an array"},
  };
  for (const auto& [items, param, message] : cases) {
    const Problem problem = problem_of_items(items);
    EXPECT_EQ(problem.status, 400) << items;
    EXPECT_EQ(problem.param, param) << items;
    EXPECT_THAT(problem.message, HasSubstr(message)) << items;
  }
}

// A history of many calls is read in a moment, whatever it holds.
TEST(ResponsesItems, ManyCallsAreReadQuickly) {
  json::array items;
  for (int i = 0; i < 8000; ++i) {
    items.push_back(
        {{"type", "function_call"}, {"call_id", fmt::format("c{}", i)}, {"name", "f"}, {"arguments", "{}"}});
  }
  for (int i = 7999; i >= 0; --i) {
    items.push_back({{"type", "function_call_output"}, {"call_id", fmt::format("c{}", i)}, {"output", "x"}});
  }
  const json::array read = messages(items);
  ASSERT_EQ(read.size(), 8001U);
  EXPECT_EQ(read.at(1).at("tool_call_id"), "c0");
}

// ---- references ----

class ResponsesInputs : public testing::Test {
 protected:
  ResponsesInputs() {
    const json::object reasoning{
        {"type", "reasoning"}, {"id", "rs_1"}, {"summary", {{{"type", "summary_text"}, {"text", "hm"}}}}};
    const json::object message{{"type", "message"},
                               {"id", "msg_1"},
                               {"role", "assistant"},
                               {"content", {{{"type", "output_text"}, {"text", "Hello."}}}}};
    store_.keep("ann", {.id = "resp_1",
                        .previous_id = "",
                        .input = R"([{"role": "user", "content": "Hi"}])",
                        .body = {{"id", "resp_1"}, {"output", {reasoning, message}}}});
  }

  std::string read(std::string_view input, const std::string& previous_id = {}) {
    std::vector<std::string> ignored;
    const ResponsesInput resolved = resolve_input(parse_json(input, "test"), previous_id, options_);
    return shown(messages_of_items(resolved, {}, ignored));
  }

  ResponseStore store_;
  ApiOptions options_{.unknown = UnknownFields::refuse, .key_owner = "ann", .responses = &store_};
};

TEST_F(ResponsesInputs, ATextIsAUsersMessage) {
  EXPECT_EQ(read(R"("Hi")"), "user: Hi\n");
  EXPECT_EQ(read("null", "resp_1"), "user: Hi\nassistant: Hello. (hm)\n");
}

TEST_F(ResponsesInputs, APreviousResponseComesFirst) {
  EXPECT_EQ(read(R"("And?")", "resp_1"), "user: Hi\nassistant: Hello. (hm)\nuser: And?\n");
}

TEST_F(ResponsesInputs, APreviousResponseThatIsGoneIsAnError) {
  for (const char* owner : {"ann", "bob"}) {
    options_.key_owner = owner;
    const std::string id = options_.key_owner == "ann" ? "resp_2" : "resp_1";
    const Problem problem = problem_from([&] { read(R"("And?")", id); });
    EXPECT_EQ(problem.status, 400);
    EXPECT_EQ(problem.code, "previous_response_not_found");
    EXPECT_EQ(problem.param, "previous_response_id");
    EXPECT_EQ(problem.message, fmt::format("Previous response with id '{}' not found.", id));
  }
}

TEST_F(ResponsesInputs, ReferencesAreTheItems) {
  EXPECT_EQ(read(R"([{"role": "user", "content": "Hi"}, {"type": "item_reference", "id": "rs_1"},
                     {"type": "item_reference", "id": "msg_1"}, {"role": "user", "content": "And?"}])"),
            "user: Hi\nassistant: Hello. (hm)\nuser: And?\n");
  EXPECT_EQ(read(R"([{"id": "msg_1"}])"), "assistant: Hello.\n");
}

TEST_F(ResponsesInputs, AReferenceToThinkingThatIsGoneIsLeftOut) {
  EXPECT_EQ(read(R"([{"type": "item_reference", "id": "rs_2"}, {"role": "user", "content": "And?"}])"), "user: And?\n");
}

TEST_F(ResponsesInputs, AReferenceToAnotherItemThatIsGoneIsAnError) {
  for (const char* id : {"msg_2", "fc_2", "resp_1"}) {
    const Problem problem =
        problem_from([&] { read(fmt::format(R"([{{"type": "item_reference", "id": "{}"}}])", id)); });
    EXPECT_EQ(problem.status, 404);
    EXPECT_EQ(problem.message, fmt::format("Item with id '{}' not found.", id));
    EXPECT_EQ(problem.param, "input[0]");
  }
}

TEST_F(ResponsesInputs, ReferencesDoNotMultiply) {
  store_.keep("ann", {.id = "resp_3",
                      .previous_id = "",
                      .input = "[]",
                      .body = {{"id", "resp_3"},
                               {"output",
                                {json::object{{"type", "message"},
                                              {"id", "msg_3"},
                                              {"role", "assistant"},
                                              {"content", std::string(std::size_t{3} << 20, 'x')}}}}}});
  json::array items(20, json::object{{"type", "item_reference"}, {"id", "msg_3"}});
  const Problem problem = problem_from([&] { resolve_input(items, "", options_); });
  EXPECT_EQ(problem.status, 400);
  EXPECT_THAT(problem.message, HasSubstr("refers to more than 33554432 bytes"));
}

TEST_F(ResponsesInputs, ItemsAreObjectsAndNotTooMany) {
  EXPECT_EQ(problem_from([&] { read("[1]"); }).param, "input[0]");
  const Problem problem = problem_from([&] { resolve_input(json::array(16385, nullptr), "", options_); });
  EXPECT_EQ(problem.param, "input");
  EXPECT_THAT(problem.message, HasSubstr("at most 16384 entries"));
}

}  // namespace
}  // namespace glimt
