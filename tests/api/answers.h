// Events by short names, and what a reader of server-sent events sees.
#pragma once

#include "api/scripted_answer.h"
#include "base/text.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace glimt {

using Events = std::vector<OutputEvent>;

inline OutputEvent thinks(std::string text) { return ThinkingDelta{std::move(text)}; }
inline OutputEvent says(std::string text) { return ContentDelta{std::move(text)}; }

// A call in pieces, as it comes while it is written.
inline Events calls(std::size_t index, const std::string& name, const std::vector<std::string>& pieces) {
  Events events = {ToolCallStart{index, name}};
  std::string all;
  for (const std::string& piece : pieces) {
    events.push_back(ToolCallDelta{index, piece});
    all += piece;
  }
  events.push_back(ToolCallComplete{index, {name, parse_json(all, "arguments").as_object()}});
  return events;
}

inline Events operator+(Events a, const Events& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// All that goes over the wire for one choice.
inline std::string written(AnswerWriter& writer, const Events& events,
                           const AnswerSummary& summary = scripted_summary()) {
  std::string out = writer.start();
  for (const OutputEvent& event : events) out += writer.part(0, {event});
  out += writer.end(0, summary);
  return out + writer.finish();
}

// The JSON of each "data:" line but [DONE]. EXPECTs events of a data line and a blank line, comments apart.
inline std::vector<json::object> data_of(std::string_view stream) {
  std::vector<json::object> all;
  bool open = false;
  for (const std::string_view line : lines_of(stream)) {
    if (line.empty()) {
      EXPECT_TRUE(std::exchange(open, false)) << stream;
    } else if (line.starts_with("data: ")) {
      EXPECT_FALSE(std::exchange(open, true)) << stream;
      if (line != "data: [DONE]") all.push_back(parse_json(line.substr(6), "event").as_object());
    } else if (line.starts_with(":")) {
      open = true;
    } else {
      ADD_FAILURE() << "not a line of an event: " << line;
    }
  }
  EXPECT_FALSE(open) << stream;
  return all;
}

}  // namespace glimt
