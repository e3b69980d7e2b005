// Answers as tests write them, and the events that they give.
#pragma once

#include "chat/output_parser.h"
#include "chat/tag_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// An answer as one string: a tag is one byte, kFirstTag + its GlmTag; no test uses these bytes otherwise. `written`
// spells the tags; a backslash in front of one makes it text.
inline constexpr unsigned char kFirstTag = 0x10;

inline std::string symbols(std::string_view written) {
  std::string result;
  while (!written.empty()) {
    const bool escaped = written.starts_with("\\<");
    if (escaped) written.remove_prefix(1);
    std::size_t size = 1;
    char symbol = written.front();
    for (std::size_t i = 0; i < kGlmTags.size() && !escaped; ++i) {
      if (!written.starts_with(kGlmTags[i])) continue;
      symbol = static_cast<char>(kFirstTag + i);
      size = kGlmTags[i].size();
    }
    result += symbol;
    written.remove_prefix(size);
  }
  return result;
}

inline std::optional<GlmTag> tag_of(char symbol) {
  const auto byte = static_cast<unsigned char>(symbol);
  const bool is_tag = byte >= kFirstTag && byte < kFirstTag + kGlmTags.size();
  return is_tag ? std::optional(static_cast<GlmTag>(byte - kFirstTag)) : std::nullopt;
}

// An answer of symbols as a model writes it.
inline std::string written(std::string_view symbols) {
  std::string result;
  for (const char c : symbols) result += tag_of(c) ? std::string(text_of(*tag_of(c))) : std::string(1, c);
  return result;
}

inline bool has(std::string_view symbols, GlmTag tag) {
  return symbols.find(static_cast<char>(kFirstTag + static_cast<unsigned char>(tag))) != std::string_view::npos;
}

// Feeds symbols to a parser: text up to the next tag, or up to `end`, in one piece.
inline std::vector<OutputEvent> feed(OutputParser& parser, std::string_view symbols) {
  std::vector<OutputEvent> events;
  const auto add = [&](const std::vector<OutputEvent>& more) { events.insert(events.end(), more.begin(), more.end()); };
  while (!symbols.empty()) {
    std::size_t size = 0;
    while (size < symbols.size() && !tag_of(symbols[size])) ++size;
    add(size == 0 ? parser.feed(*tag_of(symbols.front())) : parser.feed(symbols.substr(0, size)));
    symbols.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return events;
}

// Events with neighbouring deltas joined, as text, so that two runs can be compared, and what a consumer relies on.
class Recorder {
 public:
  void add(const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      std::visit([this](const auto& e) { note(e); }, event);
      output.add(event);
    }
  }
  std::string text() const { return log_ + pending(); }
  ParsedOutput output;
  bool checks_json = true;  // false for answers that are not UTF-8

 private:
  void note(const ThinkingDelta& e) { delta("T", e.text); }
  void note(const ContentDelta& e) { delta("C", e.text); }
  void note(const ToolCallStart& e) {
    mark(fmt::format("start({}, {})", e.index, e.name));
    EXPECT_EQ(e.index, next_);
    EXPECT_FALSE(open_) << "a start within a call";
    open_ = true;
    json_.clear();
  }
  void note(const ToolCallDelta& e) {
    EXPECT_TRUE(open_ && e.index == next_) << "a delta of no call";
    delta("J", e.json);
    json_ += e.json;
  }
  void note(const ToolCallComplete& e) {
    EXPECT_TRUE(open_ && e.index == next_) << "the end of no call";
    if (checks_json) {
      EXPECT_EQ(parse_json(json_, "arguments"), json::value(e.call.arguments)) << json_;
    }
    mark(fmt::format("complete({}, {}, {})", e.index, e.call.name, dump_json(e.call.arguments)));
    open_ = false;
    ++next_;
  }
  void note(const ToolCallCut& e) {
    EXPECT_EQ(e.announced, open_);
    EXPECT_EQ(e.index, next_);
    mark(fmt::format("cut({}, {})", e.index, e.text));
    next_ += open_ ? 1 : 0;
    open_ = false;
  }
  void delta(const char* kind, const std::string& text) {
    EXPECT_FALSE(text.empty()) << "an empty delta";
    EXPECT_TRUE(!open_ || *kind == 'J') << "text within a call";
    if (kind_ != kind) mark("");
    kind_ = kind;
    delta_ += text;
  }
  void mark(const std::string& what) {
    log_ += pending() + what;
    kind_.clear();
    delta_.clear();
  }
  std::string pending() const { return kind_.empty() ? "" : kind_ + "[" + delta_ + "]"; }

  std::string log_, delta_, kind_, json_;
  std::size_t next_ = 0;
  bool open_ = false;  // a call
};

}  // namespace glimt
