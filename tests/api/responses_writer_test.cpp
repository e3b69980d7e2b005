// Answers in the Responses dialect, whole and as events.
#include "api/responses.h"

#include "api/api_errors.h"
#include "api/response_store.h"
#include "api/scripted_answer.h"
#include "base/text.h"
#include "chat/symbols.h"
#include "text/utf8.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <map>
#include <random>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kTools = R"([
    {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type":
     "string"}, "days": {"type": "integer"}}, "required": ["city"]}},
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "agents", "description": "", "tools": [{"type": "function", "name": "spawn"}]}])";

struct Event {
  std::string type;
  json::object data;
};

std::vector<Event> events_of(std::string_view wire) {
  std::vector<Event> events;
  EXPECT_EQ(find_invalid_utf8(wire), std::nullopt);
  for (const std::string_view line : lines_of(wire)) {
    if (line.starts_with("event: ")) events.push_back({std::string(line.substr(7)), {}});
    if (line.starts_with("data: ")) events.back().data = parse_json(line.substr(6), "data").as_object();
  }
  return events;
}

class ResponsesAnswers : public testing::Test {
 protected:
  std::unique_ptr<AnswerWriter> writer(std::string_view fields) {
    const std::string body = fmt::format(R"({{"model": "demo", "input": "Hi", "tools": {}{}{}}})", kTools,
                                         fields.empty() ? "" : ", ", fields);
    return parse_responses(object_of(body), options_).make_writer(scripted_head());
  }

  std::string streamed(const ScriptedAnswer& answer, std::string_view fields = "") {
    return written(*writer(fmt::format(R"("stream": true{}{})", fields.empty() ? "" : ", ", fields)), answer);
  }

  json::object whole(const ScriptedAnswer& answer, std::string_view fields = "") {
    return object_of(written(*writer(fields), answer));
  }

  ResponseStore store_;
  ApiOptions options_{.unknown = UnknownFields::refuse, .key_owner = "ann", .responses = &store_};
};

std::vector<AnswerPart> parts_of(std::initializer_list<OutputEvent> events) {
  std::vector<AnswerPart> parts;
  for (const OutputEvent& event : events) parts.push_back({event});
  return parts;
}

// ---- the wire, as it is documented ----

TEST_F(ResponsesAnswers, EventsHaveTheDocumentedForm) {
  expect_golden("responses_stream.txt", streamed(weather_answer(), R"("include": ["reasoning.encrypted_content"])"));
}

TEST_F(ResponsesAnswers, AWholeAnswerHasTheDocumentedForm) {
  expect_golden(
      "responses_whole.json",
      written(*writer(R"("instructions": "Be brief.", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 100,
                                   "metadata": {"a": "b"}, "user": "u", "reasoning": {"effort": "low"}, "store": false,
                                   "tool_choice": "required", "parallel_tool_calls": false, "truncation": "auto",
                                   "text": {"format": {"type": "json_object"}})"),
              weather_answer()));
}

TEST_F(ResponsesAnswers, CustomToolsAndNamespacesComeBackAsTheClientKnowsThem) {
  ScriptedAnswer answer{{}, scripted_summary()};
  answer.parts = call_parts(0, "patch", {{"input", "*** Begin\n+a"}});
  for (AnswerPart& part : call_parts(1, "spawn", {})) answer.parts.push_back(std::move(part));
  expect_golden("responses_custom_stream.txt", streamed(answer));
}

TEST_F(ResponsesAnswers, AnAnswerThatWasCutIsIncomplete) {
  const ScriptedAnswer answer{parts_of({ContentDelta{"One"}}), scripted_summary(AnswerEnd::length)};
  expect_golden("responses_incomplete_stream.txt", streamed(answer));
}

TEST_F(ResponsesAnswers, AFailureIsTheTerminalEvent) {
  const auto stream = writer(R"("stream": true)");
  std::string wire = stream->start();
  wire += stream->part(0, {ContentDelta{"One"}});
  const Problem problem{.status = 500, .message = "the engine failed", .param = "", .code = ""};
  expect_golden("responses_failed_stream.txt", wire + stream->fail(problem));
  const Problem context{.status = 400, .message = "too long", .param = "", .code = "context_length_exceeded"};
  EXPECT_EQ(events_of(writer(R"("stream": true)")->fail(context)).back().data.at("response").at("error").at("code"),
            "context_length_exceeded");
}

// ---- rules of the events ----

TEST_F(ResponsesAnswers, LogprobsAreWithTheirText) {
  ScriptedAnswer answer{{{ContentDelta{"Hi"}, {{.bytes = "Hi", .logprob = -1, .top = {}}}},
                         {ContentDelta{" you"}, {{.bytes = " you", .logprob = -2, .top = {{" me", -3}}}}}},
                        scripted_summary()};
  std::vector<std::string> tokens;
  json::array all;
  for (const Event& event : events_of(streamed(answer, R"("top_logprobs": 1)"))) {
    if (event.type == "response.output_text.delta") {
      const json::array& logprobs = event.data.at("logprobs").as_array();
      ASSERT_EQ(logprobs.size(), 1U);
      EXPECT_EQ(logprobs.at(0).at("token"), event.data.at("delta"));
      all.push_back(logprobs.at(0));
    }
    if (event.type == "response.output_text.done") {
      EXPECT_EQ(dump_json(event.data.at("logprobs")), dump_json(all));
    }
  }
  EXPECT_EQ(all.size(), 2U);
  EXPECT_EQ(dump_json(whole(answer, R"("top_logprobs": 1)").at("output").at(0).at("content").at(0).at("logprobs")),
            dump_json(all));
}

TEST_F(ResponsesAnswers, TheEncryptedThinkingIsSentOnlyIfAskedFor) {
  const json::object plain = whole(weather_answer());
  EXPECT_FALSE(plain.at("output").at(0).as_object().contains("encrypted_content"));
  EXPECT_EQ(plain.at("output").at(0).at("summary").at(0).at("text"), "I call the tool.");
}

TEST_F(ResponsesAnswers, TextBehindACallIsAnotherMessage) {
  ScriptedAnswer answer{parts_of({ContentDelta{"A"}}), scripted_summary()};
  for (AnswerPart& part : call_parts(0, "get_weather", {{"city", "Oslo"}})) answer.parts.push_back(std::move(part));
  answer.parts.push_back({ContentDelta{"B"}});
  const json::array output = whole(answer).at("output").as_array();
  ASSERT_EQ(output.size(), 3U);
  EXPECT_EQ(output.at(0).at("type"), "message");
  EXPECT_EQ(output.at(1).at("type"), "function_call");
  EXPECT_NE(output.at(1).at("id"), output.at(1).at("call_id"));
  EXPECT_EQ(output.at(2).at("content").at(0).at("text"), "B");
}

TEST_F(ResponsesAnswers, AnEmptyAnswerHasNoItems) {
  const ScriptedAnswer answer{{}, scripted_summary()};
  EXPECT_EQ(whole(answer).at("output").as_array().size(), 0U);
  const std::vector<Event> events = events_of(streamed(answer));
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events.back().type, "response.completed");
}

TEST_F(ResponsesAnswers, HowItEndedIsItsStatus) {
  const std::pair<AnswerEnd, const char*> ends[] = {
      {AnswerEnd::end_token, "completed"}, {AnswerEnd::stop_string, "completed"}, {AnswerEnd::one_call, "completed"},
      {AnswerEnd::length, "incomplete"},   {AnswerEnd::repetition, "incomplete"},
  };
  for (const auto& [end, status] : ends) {
    const ScriptedAnswer answer{parts_of({ContentDelta{"A"}}), scripted_summary(end)};
    const json::object body = whole(answer);
    EXPECT_EQ(body.at("status"), status);
    EXPECT_EQ(body.at("output").at(0).at("status"), status);
    EXPECT_EQ(events_of(streamed(answer)).back().type, fmt::format("response.{}", status));
    EXPECT_EQ(dump_json(body.at("incomplete_details")),
              std::string(status) == "completed" ? "null" : R"({"reason": "max_output_tokens"})");
  }
}

// A client that is told the end of an item may act on it.
TEST_F(ResponsesAnswers, ACallThatWasCutHasNoEnd) {
  ScriptedAnswer answer{parts_of({ToolCallStart{0, "get_weather"}, ToolCallDelta{0, "{\"city\": \"Os"},
                                  ToolCallCut{0, "<tool_call>get_weather", true}}),
                        scripted_summary(AnswerEnd::end_token)};
  const std::vector<Event> events = events_of(streamed(answer));
  for (const Event& event : events) {
    EXPECT_NE(event.type, "response.output_item.done");
    EXPECT_NE(event.type, "response.function_call_arguments.done");
  }
  const json::object& response = events.back().data.at("response").as_object();
  EXPECT_EQ(events.back().type, "response.incomplete");
  EXPECT_EQ(response.at("output").at(0).at("status"), "incomplete");
  EXPECT_EQ(response.at("output").at(0).at("arguments"), "{\"city\": \"Os");
}

TEST_F(ResponsesAnswers, ACallThatWasNotAnnouncedIsText) {
  ScriptedAnswer answer{parts_of({ContentDelta{"A"}, ToolCallCut{0, "<tool_call>x", false}}), scripted_summary()};
  const json::object body = whole(answer);
  EXPECT_EQ(body.at("status"), "completed");
  EXPECT_EQ(body.at("output").at(0).at("content").at(0).at("text"), "A<tool_call>x");
}

TEST_F(ResponsesAnswers, ACustomCallThatWasCutLeavesNothing) {
  ScriptedAnswer answer{
      parts_of({ToolCallStart{0, "patch"}, ToolCallDelta{0, "{\"in"}, ToolCallCut{0, "<tool_call>p", true}}),
      scripted_summary(AnswerEnd::length)};
  const std::vector<Event> events = events_of(streamed(answer));
  EXPECT_EQ(events.size(), 3U);
  EXPECT_EQ(events.back().type, "response.incomplete");
}

TEST_F(ResponsesAnswers, InputOfACustomToolThatIsNoTextIsShownAsJson) {
  ScriptedAnswer answer{call_parts(0, "patch", {{"file", "a"}}), scripted_summary()};
  EXPECT_EQ(whole(answer).at("output").at(0).at("input"), R"({"file": "a"})");
}

TEST_F(ResponsesAnswers, ToolsThatWereNotDeclaredAreFunctions) {
  ScriptedAnswer answer{call_parts(0, "made_up", {{"a", 1}}), scripted_summary()};
  const json::object body = whole(answer);
  EXPECT_EQ(body.at("output").at(0).at("type"), "function_call");
  EXPECT_EQ(body.at("output").at(0).at("name"), "made_up");
  EXPECT_FALSE(body.at("output").at(0).as_object().contains("namespace"));
}

TEST_F(ResponsesAnswers, SilenceIsACommentInAStream) {
  EXPECT_EQ(writer(R"("stream": true)")->keep_alive(), ": keep-alive\n\n");
  EXPECT_EQ(writer("")->keep_alive(), "");
  EXPECT_EQ(writer(R"("stream": true)")->content_type(), "text/event-stream");
  EXPECT_EQ(writer("")->content_type(), "application/json");
}

TEST_F(ResponsesAnswers, BytesThatAreNoTextAreMended) {
  ScriptedAnswer answer{
      parts_of({ThinkingDelta{"a\xC3"}, ThinkingDelta{"\xA5\xFF"}, ContentDelta{"\xFF\x31\x32"},
                ContentDelta{"b\xE2\x82"}, ToolCallStart{0, "get_\xFFweather"}, ToolCallDelta{0, "{\"a\xFF\": \"\xC3"},
                ToolCallDelta{0, "\xA5\"}"}, ToolCallComplete{0, {"get_\xFFweather", {{"a\xFF", "\xC3\xA5"}}}}}),
      scripted_summary()};
  const json::array output = events_of(streamed(answer)).back().data.at("response").at("output").as_array();
  EXPECT_EQ(output.at(0).at("summary").at(0).at("text"), "aå�");
  EXPECT_EQ(output.at(1).at("content").at(0).at("text"), "�12b�");
  EXPECT_EQ(output.at(2).at("arguments"), "{\"a�\": \"å\"}");
  EXPECT_EQ(output.at(2).at("name"), "get_�weather");
}

// ---- properties: any way to cut the answer ----

struct Joined {
  std::map<std::string, std::string> text;  // of each item, from its deltas
  std::map<std::string, std::string> done;  // what its end says
  json::object response;                    // of the terminal event
};

// Follows a stream as a client does, and checks its order.
Joined followed(std::string_view wire) {
  Joined joined;
  std::int64_t next = 0;
  std::string open;
  std::size_t items = 0;
  const std::vector<Event> events = events_of(wire);
  for (const Event& event : events) {
    EXPECT_EQ(event.data.at("type"), json::value(event.type));
    EXPECT_EQ(event.data.at("sequence_number"), next++);
    const json::value* index = event.data.if_contains("output_index");
    EXPECT_TRUE(index == nullptr || *index == items) << event.type;
    const json::value* id = event.data.if_contains("item_id");
    EXPECT_TRUE(id == nullptr || *id == json::value(open)) << event.type;
    if (event.type == "response.output_item.added") {
      EXPECT_EQ(open, "");
      open = std::string(event.data.at("item").at("id").as_string());
      joined.text[open] = "";
    } else if (event.type == "response.output_item.done") {
      EXPECT_EQ(event.data.at("item").at("id"), json::value(open));
      open.clear();
      ++items;
    } else if (const json::value* delta = event.data.if_contains("delta")) {
      EXPECT_NE(delta->as_string(), "");
      joined.text[open] += delta->as_string();
    }
    for (const char* field : {"text", "arguments", "input"}) {
      if (const json::value* text = event.data.if_contains(field)) joined.done[open] = std::string(text->as_string());
    }
  }
  EXPECT_EQ(open, "");
  EXPECT_EQ(events.at(0).type, "response.created");
  EXPECT_EQ(events.at(1).type, "response.in_progress");
  joined.response = events.back().data.at("response").as_object();
  return joined;
}

TEST_F(ResponsesAnswers, AnyCutJoinsToTheWholeAnswer) {
  ScriptedAnswer answer = weather_answer();
  for (AnswerPart& part : call_parts(1, "patch", {{"input", "æøå"}})) answer.parts.push_back(std::move(part));
  for (AnswerPart& part : call_parts(2, "spawn", {})) answer.parts.push_back(std::move(part));
  answer.parts.push_back({ContentDelta{"Done: ☃"}});
  const json::object expected = whole(answer);
  for (std::size_t bytes = 1; bytes < 40; ++bytes) {
    const Joined joined = followed(streamed({cut_parts(answer.parts, bytes), answer.summary}));
    EXPECT_EQ(dump_json(joined.response), dump_json(expected)) << bytes;
    EXPECT_EQ(joined.text, joined.done) << bytes;
    EXPECT_EQ(joined.text.size(), 6U);
  }
}

// What the model writes, read by the real reader, in pieces of any size.
TEST_F(ResponsesAnswers, WhatAModelWritesIsTheSameInAnyPieces) {
  const std::string answers[] = {
      symbols("I call.</think>One moment.<tool_call>get_weather<arg_key>city</arg_key><arg_value>Tromsø \"1\"\n"
              "</arg_value><arg_key>days</arg_key><arg_value>3</arg_value></tool_call><tool_call>spawn</tool_call>"),
      symbols("Hm.</think><tool_call>patch<arg_key>input</arg_key><arg_value>*** Begin\n</arg_value></tool_call>ok"),
      symbols("</think>no tool_call \\<tool_call> here</think>"),
  };
  const std::string body = fmt::format(R"({{"input": "Hi", "tools": {}, "stream": true}})", kTools);
  std::mt19937 random(1);
  for (const std::string& text : answers) {
    std::string expected;
    for (int round = 0; round < 60; ++round) {
      const ParsedRequest parsed = parse_responses(object_of(body), options_);
      OutputRules rules;
      rules.calls.tools = ToolSchemas(parsed.request.chat.tools);
      rules.calls.streamed = parsed.request.chat.stream_calls;
      rules.starts_thinking = true;
      OutputParser reader(rules);
      ScriptedAnswer answer{{}, scripted_summary()};
      const auto add = [&](const std::vector<OutputEvent>& events) {
        for (const OutputEvent& event : events) answer.parts.push_back({event});
      };
      for (std::size_t at = 0; at < text.size();) {
        const std::size_t size = round == 0 ? text.size() : 1 + random() % 9;
        add(feed(reader, std::string_view(text).substr(at, size)));
        at += size;
      }
      add(reader.finish());
      const Joined joined = followed(written(*parsed.make_writer(scripted_head()), answer));
      EXPECT_EQ(joined.text, joined.done);
      if (expected.empty()) expected = dump_json(joined.response);
      EXPECT_EQ(dump_json(joined.response), expected) << text;
    }
  }
}

// ---- what is kept ----

TEST_F(ResponsesAnswers, AnAnswerIsKeptUnlessToldNotTo) {
  const json::object kept = whole(weather_answer());
  EXPECT_EQ(dump_json(get_response(std::string(kept.at("id").as_string()), options_)), dump_json(kept));
  EXPECT_EQ(kept.at("store"), true);
  store_.erase("ann", std::string(kept.at("id").as_string()));
  const json::object not_kept = whole(weather_answer(), R"("store": false)");
  EXPECT_EQ(not_kept.at("store"), false);
  EXPECT_EQ(store_.size(), 0U);
}

TEST_F(ResponsesAnswers, AStreamIsKeptBeforeItsEndIsSent) {
  const auto stream = writer(R"("stream": true)");
  stream->start();
  stream->part(0, {ContentDelta{"Hello."}});
  stream->end(0, scripted_summary());
  EXPECT_EQ(store_.size(), 0U);
  EXPECT_THAT(stream->finish(), HasSubstr("response.completed"));
  EXPECT_EQ(store_.size(), 1U);
}

// The next request of a tool loop names the response, and says only what is new.
TEST_F(ResponsesAnswers, AConversationGoesOnFromItsLastAnswer) {
  const json::object first = whole(weather_answer(), R"("instructions": "Be brief.")");
  const std::string call_id(first.at("output").at(2).at("call_id").as_string());
  const std::string body = fmt::format(
      R"({{"previous_response_id": "{}", "input": [{{"type": "function_call_output", "call_id": "{}", "output": "sun"}}]}})",
      std::string(first.at("id").as_string()), call_id);
  const ParsedRequest second = parse_responses(object_of(body), options_);
  EXPECT_EQ(dump_json(second.request.chat.messages),
            fmt::format(R"([{{"role": "user", "content": "Hi"}}, {{"role": "assistant", "content": "One moment, på )"
                        R"(vei.", "reasoning_content": "I call the tool.", "tool_calls": [{{"id": "{0}", "type": )"
                        R"("function", "function": {{"name": "get_weather", "arguments": {{"city": "Tromsø"}}}}}}]}}, )"
                        R"({{"role": "tool", "content": "sun", "tool_call_id": "{0}"}}])",
                        call_id));
}

// AI SDK names the items of earlier answers, and Codex sends them back with their encrypted thinking.
TEST_F(ResponsesAnswers, AnswersComeBackAsTheyWere) {
  const json::object first = whole(weather_answer(), R"("include": ["reasoning.encrypted_content"])");
  json::array references;
  json::array items;
  for (const json::value& item : first.at("output").as_array()) {
    references.push_back(json::object{{"type", "item_reference"}, {"id", item.at("id")}});
    json::object copy = item.as_object();
    if (copy.contains("encrypted_content")) copy["summary"] = json::array();
    items.push_back(copy);
  }
  const auto messages = [&](const json::array& input) {
    return dump_json(parse_responses({{"input", input}}, options_).request.chat.messages);
  };
  EXPECT_EQ(messages(references), messages(items));
  EXPECT_THAT(messages(items), HasSubstr(R"("reasoning_content": "I call the tool.")"));
}

}  // namespace
}  // namespace glimt
