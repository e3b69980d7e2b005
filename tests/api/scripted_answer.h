// Answers without a model, for the tests of writers: their events, cut in any way, through a writer.
#pragma once

#include "api/answer_writer.h"
#include "api/golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

struct ScriptedAnswer {
  std::vector<AnswerPart> parts;
  AnswerSummary summary;
};

// Ids count from 1: "msg_1", "toolu_2". The time stands still.
inline AnswerHead scripted_head() {
  AnswerHead head;
  head.request_id = "req_1";
  head.model = "demo";
  head.created = 1764115200;
  head.fingerprint = "fp_1";
  head.prompt_tokens = 70;
  head.max_tokens = 100;
  head.load_seconds = 0.005;
  head.new_id = [count = std::make_shared<int>(0)](std::string_view prefix) {
    return fmt::format("{}{}", prefix, ++*count);
  };
  head.now = [] { return std::string("2026-11-26T01:02:03.123456789Z"); };
  return head;
}

inline AnswerSummary scripted_summary(AnswerEnd end = AnswerEnd::end_token) {
  AnswerSummary summary;
  summary.end = end;
  summary.prompt_tokens = 70;
  summary.reused_tokens = 64;
  summary.generated_tokens = 19;
  summary.thinking_tokens = 6;
  summary.prefill_seconds = 0.25;
  summary.decode_seconds = 1.5;
  summary.total_seconds = 2;
  return summary;
}

inline std::vector<AnswerPart> call_parts(std::size_t index, const std::string& name, const json::object& arguments) {
  return {{ToolCallStart{index, name}},
          {ToolCallDelta{index, dump_json(arguments)}},
          {ToolCallComplete{index, {name, arguments}}}};
}

// Thinking, a text, a call.
inline ScriptedAnswer weather_answer() {
  ScriptedAnswer answer{{{ThinkingDelta{"I call "}},
                         {ThinkingDelta{"the tool."}},
                         {ContentDelta{"One moment, "}},
                         {ContentDelta{"på vei."}}},
                        scripted_summary()};
  for (AnswerPart& part : call_parts(0, "get_weather", {{"city", "Tromsø"}})) answer.parts.push_back(std::move(part));
  return answer;
}

// The same answer with its deltas cut into pieces of `bytes`, which may be inside of a character.
inline std::vector<AnswerPart> cut_parts(const std::vector<AnswerPart>& parts, std::size_t bytes) {
  std::vector<AnswerPart> out;
  const auto pieces = [&](const std::string& text, const auto& make) {
    for (std::size_t i = 0; i < text.size(); i += bytes) out.push_back({make(text.substr(i, bytes))});
  };
  for (const AnswerPart& part : parts) {
    if (const auto* thinking = std::get_if<ThinkingDelta>(&part.event)) {
      pieces(thinking->text, [](std::string text) { return ThinkingDelta{std::move(text)}; });
    } else if (const auto* content = std::get_if<ContentDelta>(&part.event)) {
      pieces(content->text, [](std::string text) { return ContentDelta{std::move(text)}; });
    } else if (const auto* json = std::get_if<ToolCallDelta>(&part.event)) {
      pieces(json->json, [&](std::string text) { return ToolCallDelta{json->index, std::move(text)}; });
    } else {
      out.push_back(part);
    }
  }
  return out;
}

// All that goes over the wire.
inline std::string written(AnswerWriter& writer, const ScriptedAnswer& answer) {
  std::string out = writer.start();
  for (const AnswerPart& part : answer.parts) out += writer.part(0, part);
  out += writer.end(0, answer.summary);
  return out + writer.finish();
}

// EXPECTs that the text is that of tests/api/data/NAME.
inline void expect_golden(const std::string& name, const std::string& text) {
  expect_file("tests/api/data/" + name, text);
}

}  // namespace glimt
