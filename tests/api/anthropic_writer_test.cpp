// What Anthropic's clients read: whole answers, and events.
#include "api/anthropic_writer.h"
#include "api/anthropic_messages.h"
#include "api/anthropic_models.h"
#include "api/api_errors.h"
#include "api/scripted_answer.h"
#include "text/utf8.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::HasSubstr;

struct Frame {
  std::string event;
  json::object data;
};

// Splits a stream; every frame is "event: T\ndata: {…}\n\n", of one line each, and its data has the same type.
std::vector<Frame> frames_of(std::string_view stream) {
  std::vector<Frame> frames;
  EXPECT_FALSE(find_invalid_utf8(stream));
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    const std::size_t line = stream.find('\n');
    EXPECT_TRUE(stream.starts_with("event: "));
    EXPECT_EQ(stream.substr(line + 1, 6), "data: ");
    if (end == stream.npos) break;
    frames.push_back({std::string(stream.substr(7, line - 7)),
                      parse_json(stream.substr(line + 7, end - line - 7), "data").as_object()});
    EXPECT_EQ(frames.back().data.at("type").as_string(), std::string_view(frames.back().event));
    stream.remove_prefix(end + 2);
  }
  return frames;
}

// What a client makes of the frames: the message of the whole answer. Checks that blocks follow each other.
json::object joined(const std::vector<Frame>& frames) {
  json::object message;
  bool open = false;
  std::string arguments;
  for (const Frame& frame : frames) {
    const json::object& data = frame.data;
    if (frame.event == "message_start") {
      EXPECT_TRUE(message.empty());
      message = data.at("message").as_object();
    } else if (frame.event == "message_delta") {
      EXPECT_FALSE(open);
      for (const auto& [key, value] : data.at("delta").as_object()) message[key] = value;
      message["usage"] = data.at("usage");
    } else if (frame.event.starts_with("content_block")) {
      json::array& content = message["content"].as_array();
      const bool starts = frame.event == "content_block_start";
      EXPECT_EQ(open, !starts);
      if (starts) content.push_back(data.at("content_block"));
      EXPECT_EQ(data.at("index").to_number<std::size_t>(), content.size() - 1);
      json::object& block = content.back().as_object();
      if (frame.event == "content_block_delta") {
        for (const auto& [key, value] : data.at("delta").as_object()) {
          if (key == "partial_json") arguments += value.as_string();
          if (block.contains(key) && key != "type") block[key].as_string() += value.as_string();
        }
      }
      if (frame.event == "content_block_stop" && !arguments.empty()) {
        block["input"] = parse_json(std::exchange(arguments, {}), "arguments");
      }
      open = frame.event != "content_block_stop";
    }
  }
  return message;
}

std::string streamed(const ScriptedAnswer& answer) {
  const auto writer = messages_stream_writer(scripted_head());
  return written(*writer, answer);
}

json::object whole(const ScriptedAnswer& answer) {
  const auto writer = messages_writer(scripted_head());
  return object_of(written(*writer, answer));
}

// The content of both ways, which must be the same whatever the cut.
std::string content_of(const std::vector<AnswerPart>& parts) {
  const ScriptedAnswer answer{parts, scripted_summary()};
  const std::string content = dump_json(whole(answer).at("content"));
  for (const std::size_t bytes : {1, 2, 5}) {
    const ScriptedAnswer cut{cut_parts(parts, bytes), scripted_summary()};
    EXPECT_EQ(dump_json(whole(cut).at("content")), content) << bytes;
    EXPECT_EQ(dump_json(joined(frames_of(streamed(cut))).at("content")), content) << bytes;
  }
  return content;
}

TEST(AnthropicAnswer, IsOneMessage) {
  const auto writer = messages_writer(scripted_head());
  EXPECT_EQ(writer->content_type(), "application/json");
  EXPECT_EQ(writer->keep_alive(), "");
  expect_golden("anthropic_message.json", written(*writer, weather_answer()));
}

TEST(AnthropicAnswer, IsAStreamOfEvents) {
  const auto writer = messages_stream_writer(scripted_head());
  EXPECT_EQ(writer->content_type(), "text/event-stream");
  expect_golden("anthropic_stream.txt", written(*writer, weather_answer()));
}

TEST(AnthropicAnswer, IsTheSameStreamedOrWhole) {
  json::object message = joined(frames_of(streamed(weather_answer())));
  json::object expected = whole(weather_answer());
  for (json::object* answer : {&message, &expected}) {
    answer->erase("id");
    answer->at("content").as_array().back().as_object().erase("id");  // ids are drawn in another order
  }
  EXPECT_EQ(message, expected);
}

TEST(AnthropicAnswer, DoesNotDependOnTheCut) {
  const std::vector<AnswerPart> parts = weather_answer().parts;
  std::vector<AnswerPart> without_ids(parts.begin(), parts.begin() + 4);
  EXPECT_THAT(content_of(without_ids), HasSubstr("One moment, på vei."));
  for (std::size_t bytes = 1; bytes < 12; ++bytes) {
    const ScriptedAnswer cut{cut_parts(parts, bytes), scripted_summary()};
    EXPECT_EQ(joined(frames_of(streamed(cut))), joined(frames_of(streamed(weather_answer())))) << bytes;
  }
}

TEST(AnthropicAnswer, HasNoTextWithoutAnythingToSee) {
  std::vector<AnswerPart> parts{{ThinkingDelta{"hm"}}, {ContentDelta{"\n"}}, {ContentDelta{" \t"}}};
  EXPECT_EQ(content_of(parts).find("text"), std::string::npos);
  parts.push_back({ContentDelta{"x "}});
  EXPECT_THAT(content_of(parts), HasSubstr(R"({"type": "text", "text": "\n \tx "})"));
  EXPECT_EQ(content_of({{ContentDelta{""}}, {ThinkingDelta{""}}}), "[]");
}

TEST(AnthropicAnswer, SpaceBetweenCallsIsNoText) {
  std::vector<AnswerPart> parts = call_parts(0, "f", {});
  parts.push_back({ContentDelta{"\n\n"}});
  for (AnswerPart& part : call_parts(1, "g", {{"n", 1}})) parts.push_back(std::move(part));
  const json::object answer = joined(frames_of(streamed({parts, scripted_summary()})));
  EXPECT_EQ(dump_json(answer.at("content")),
            R"([{"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}, )"
            R"({"type": "tool_use", "id": "toolu_3", "name": "g", "input": {"n": 1}}])");
  parts.push_back({ContentDelta{"x"}});
  EXPECT_EQ(dump_json(whole({parts, scripted_summary()}).at("content").at(2)), R"({"type": "text", "text": "x"})");
  parts.erase(parts.end() - 4, parts.end() - 1);  // the second call, so that space and text are neighbours
  EXPECT_EQ(dump_json(whole({parts, scripted_summary()}).at("content").at(1)), R"({"type": "text", "text": "\n\nx"})");
}

TEST(AnthropicAnswer, ArgumentsAreNeverEmptyText) {
  // A reader that tells a call in one piece may leave the deltas out.
  const ScriptedAnswer answer{{{ToolCallStart{0, "f"}}, {ToolCallComplete{0, {"f", {}}}}}, scripted_summary()};
  EXPECT_THAT(streamed(answer), HasSubstr(R"({"type": "input_json_delta", "partial_json": "{}"})"));
}

TEST(AnthropicAnswer, BigIntegersKeepTheirDigits) {
  const json::object arguments{{"n", big_integer("123456789012345678901234567890")}};
  const ScriptedAnswer answer{call_parts(0, "f", arguments), scripted_summary()};
  EXPECT_THAT(streamed(answer), HasSubstr(R"({\"n\": 123456789012345678901234567890})"));
  const auto writer = messages_writer(scripted_head());
  EXPECT_THAT(written(*writer, answer), HasSubstr(R"("input": {"n": 123456789012345678901234567890})"));
}

TEST(AnthropicAnswer, TheThinkingIsSigned) {
  const auto signature = [](std::string_view text) {
    const ScriptedAnswer answer{{{ThinkingDelta{std::string(text)}}}, scripted_summary()};
    return std::string(whole(answer).at("content").at(0).at("signature").as_string());
  };
  EXPECT_EQ(signature("a").size(), 16U);
  EXPECT_EQ(signature("a"), signature("a"));
  EXPECT_NE(signature("a"), signature("b"));
  const std::string stream = streamed({{{ThinkingDelta{"a"}}, {ContentDelta{"b"}}}, scripted_summary()});
  const std::size_t delta = stream.find("thinking_delta");
  const std::size_t signed_at = stream.find("signature_delta");
  EXPECT_LT(delta, signed_at);
  EXPECT_LT(signed_at, stream.find("content_block_stop"));
}

TEST(AnthropicAnswer, IsUtf8WhateverTheModelWrites) {
  const std::string bad = "a\xC3\xFF\xE2\x82";
  std::vector<AnswerPart> parts{{ThinkingDelta{bad}},
                                {ContentDelta{"\xFF"
                                              "12" +
                                              bad}}};
  EXPECT_THAT(content_of(parts), HasSubstr("\uFFFD12a\uFFFD\uFFFD\uFFFD"));
  const json::object arguments{{bad, bad}};
  for (AnswerPart& part : call_parts(0, bad, arguments)) parts.push_back(std::move(part));
  for (const std::size_t bytes : {1, 3, 100}) {
    const ScriptedAnswer answer{cut_parts(parts, bytes), scripted_summary()};
    EXPECT_FALSE(frames_of(streamed(answer)).empty());
    const auto writer = messages_writer(scripted_head());
    EXPECT_FALSE(find_invalid_utf8(written(*writer, answer)));
  }
}

// ---- ends ----

std::string stop_reason(AnswerSummary summary, std::vector<AnswerPart> parts = {{ContentDelta{"x"}}}) {
  const ScriptedAnswer answer{std::move(parts), std::move(summary)};
  const json::object message = joined(frames_of(streamed(answer)));
  const json::object expected = whole(answer);
  EXPECT_EQ(message.at("stop_reason"), expected.at("stop_reason"));
  EXPECT_EQ(message.at("stop_sequence"), expected.at("stop_sequence"));
  return fmt::format("{} {}", std::string_view(message.at("stop_reason").as_string()),
                     dump_json(message.at("stop_sequence")));
}

TEST(AnthropicAnswer, SaysWhatEndedIt) {
  EXPECT_EQ(stop_reason(scripted_summary()), "end_turn null");
  EXPECT_EQ(stop_reason(scripted_summary(AnswerEnd::length)), "max_tokens null");
  EXPECT_EQ(stop_reason(scripted_summary(AnswerEnd::repetition)), "max_tokens null");
  AnswerSummary full = scripted_summary(AnswerEnd::length);
  full.context_full = true;
  EXPECT_EQ(stop_reason(full), "model_context_window_exceeded null");
  AnswerSummary stopped = scripted_summary(AnswerEnd::stop_string);
  stopped.stop_string = "END";
  EXPECT_EQ(stop_reason(stopped), R"(stop_sequence "END")");

  const std::vector<AnswerPart> call = call_parts(0, "f", {});
  EXPECT_EQ(stop_reason(scripted_summary(), call), "tool_use null");
  EXPECT_EQ(stop_reason(scripted_summary(AnswerEnd::one_call), call), "tool_use null");
  EXPECT_EQ(stop_reason(scripted_summary(AnswerEnd::length), call), "max_tokens null");
}

TEST(AnthropicAnswer, ACallThatWasShownAndCutIsTold) {
  const std::vector<AnswerPart> parts{
      {ToolCallStart{0, "f"}}, {ToolCallDelta{0, R"({"a": "b)"}}, {ToolCallCut{0, "<tool_call>f…", true}}};
  const std::vector<Frame> frames = frames_of(streamed({parts, scripted_summary()}));
  ASSERT_EQ(frames.size(), 6U);
  EXPECT_EQ(frames[3].event, "content_block_stop");
  EXPECT_EQ(frames[4].data.at("delta").at("stop_reason").as_string(), "max_tokens");
  // In one piece nobody has seen it: it is text, as one that was not announced.
  EXPECT_EQ(dump_json(whole({parts, scripted_summary()}).at("content")),
            R"([{"type": "text", "text": "<tool_call>f…"}])");
  EXPECT_EQ(content_of({{ContentDelta{"a "}}, {ToolCallCut{0, "<tool_call>f", false}}}),
            R"([{"type": "text", "text": "a <tool_call>f"}])");
}

TEST(AnthropicAnswer, CountsTokens) {
  // The input leaves out what the cache had.
  EXPECT_EQ(
      dump_json(whole(weather_answer()).at("usage")),
      R"({"input_tokens": 6, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 64, "output_tokens": 19})");
  const std::vector<Frame> frames = frames_of(streamed(weather_answer()));
  EXPECT_EQ(
      dump_json(frames.front().data.at("message").at("usage")),
      R"({"input_tokens": 70, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 1})");
  EXPECT_EQ(frames[frames.size() - 2].data.at("usage"), whole(weather_answer()).at("usage"));
}

TEST(AnthropicAnswer, StaysAliveWithPings) {
  const auto writer = messages_stream_writer(scripted_head());
  EXPECT_EQ(writer->keep_alive(), "event: ping\ndata: {\"type\": \"ping\"}\n\n");
}

TEST(AnthropicAnswer, FailsWithAnEvent) {
  const auto writer = messages_stream_writer(scripted_head());
  std::string stream = writer->start();
  stream += writer->part(0, {ContentDelta{"x"}});
  Problem problem;
  problem.status = 503;
  problem.message = "too much to do";
  const std::string error = writer->fail(problem);
  EXPECT_EQ(error,
            "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": "
            "\"too much to do\"}, \"request_id\": \"req_1\"}\n\n");
  frames_of(stream + error);
}

TEST(AnthropicAnswer, TheRequestChoosesTheWriter) {
  const auto type = [](std::string_view stream) {
    const json::object body = object_of(
        fmt::format(R"({{"max_tokens": 9, "messages": [{{"role": "user", "content": "x"}}], "stream": {}}})", stream));
    return std::string(parse_messages(body, {}).make_writer(scripted_head())->content_type());
  };
  EXPECT_EQ(type("true"), "text/event-stream");
  EXPECT_EQ(type("false"), "application/json");
}

TEST(AnthropicModels, AreOnOnePage) {
  ModelCard card;
  card.name = "demo";
  card.context = 2048;
  card.modified = 1795651200;
  ModelCard other = card;
  other.name = "owner/name";
  const std::string demo =
      R"({"type": "model", "id": "demo", "display_name": "demo", "created_at": "2026-11-26T00:00:00Z", )"
      R"("max_input_tokens": 2048, "max_tokens": 2048})";
  EXPECT_EQ(dump_json(anthropic_model(card)), demo);
  const ModelCard cards[] = {card, other};
  const json::object list = anthropic_models(cards);
  EXPECT_EQ(dump_json(list.at("data").at(0)), demo);
  EXPECT_EQ(dump_json(list.at("has_more")), "false");
  EXPECT_EQ(list.at("first_id").as_string(), "demo");
  EXPECT_EQ(list.at("last_id").as_string(), "owner/name");
  EXPECT_EQ(dump_json(anthropic_models({})), R"({"data": [], "has_more": false, "first_id": null, "last_id": null})");
}

}  // namespace
}  // namespace glimt
