// The rules of chat/output_parser.h a second time, over the whole answer at once: look ahead, then decide. Slow and
// plain.
#pragma once

#include "chat/loose_call.h"
#include "chat/symbols.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

class OutputOracle {
 public:
  // `text`: symbols.
  OutputOracle(const OutputRules& rules, std::string_view text)
      : rules_(rules), thinking_(rules.starts_thinking), text_(text) {}

  ParsedOutput run() {
    while (at_ < text_.size() && !done_) {
      const std::optional<GlmTag> tag = tag_of(text_[at_]);
      if (tag == GlmTag::call && !rules_.calls.banned) {
        read_call();
      } else {
        ++at_;
        tag ? read_tag(*tag) : say(std::string(1, text_[at_ - 1]));
      }
    }
    return out_;
  }

 private:
  static bool space(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }
  static void strip(std::string& text) {
    while (!text.empty() && space(text.back())) text.pop_back();
  }
  static std::string trim(std::string text) {
    for (int side = 0; side < 2; ++side) {
      strip(text);
      std::reverse(text.begin(), text.end());
    }
    return text;
  }
  std::string& here() { return thinking_ ? out_.thinking : out_.content; }

  // Drops white space at the end, but not what belongs to a call that was cut.
  void strip_here() {
    while (here().size() > (thinking_ ? 0 : kept_) && space(here().back())) here().pop_back();
  }

  void say(const std::string& text) {
    for (const char c : text) {
      if (skip_ && space(c)) continue;
      skip_ = false;
      if (!space(c)) first_ = false;
      here() += c;
      stretch_ += c;
      if (!thinking_ || rules_.stop_in_thinking) look_for_stop(here());
      if (done_) return;
    }
  }

  // Takes the longest stop string off the end of `out`, if one stands at the end of the stretch.
  void look_for_stop(std::string& out) {
    std::size_t longest = 0;
    for (const std::string& stop : rules_.stop) {
      if (stretch_.ends_with(stop)) longest = std::max(longest, stop.size());
    }
    if (longest == 0) return;
    out.resize(out.size() - longest);
    done_ = true;
  }

  void read_tag(GlmTag tag) {
    if (tag == GlmTag::think && first_) {
      if (!thinking_) out_.thinking = std::exchange(out_.content, {});
      stretch_.clear();
      thinking_ = true;
    } else if (tag == GlmTag::think) {
      think_is_text_ = !thinking_;
      say("<think>");
    } else if (tag == GlmTag::think_end && (thinking_ || late_end_)) {
      strip_here();
      stretch_.clear();
      thinking_ = late_end_ = false;
      skip_ = true;
    } else if (tag == GlmTag::think_end) {
      if (std::exchange(think_is_text_, false)) say("</think>");
    } else {
      say(std::string(text_of(tag)));
    }
    first_ = false;
  }

  void read_call() {
    first_ = false;
    const bool skipped = std::exchange(skip_, false);
    stretch_.clear();
    const Found found = call_at(at_);
    const std::string raw = written(text_.substr(at_, found.end - at_));
    at_ = found.end;
    if (found.call) {
      strip_here();
      out_.tool_calls.push_back(*found.call);
      late_end_ = late_end_ || thinking_;
      thinking_ = false;
      done_ = !rules_.calls.parallel;
    } else if (found.named || at_ == text_.size()) {
      if (thinking_) strip_here();
      late_end_ = late_end_ || thinking_;
      thinking_ = false;
      out_.call_cut = true;
      say(raw);
      stretch_.clear();
      kept_ = out_.content.size();
    } else {
      skip_ = skipped;
      say(raw);
    }
  }

  struct Found {
    std::optional<ToolCall> call;
    bool named;
    std::size_t end;  // behind the call, or where it cannot go on
  };

  std::size_t next_tag(std::size_t i) const {
    while (i < text_.size() && !tag_of(text_[i])) ++i;
    return i;
  }
  std::size_t next_visible(std::size_t i) const {
    while (i < text_.size() && space(text_[i])) ++i;
    return i;
  }
  std::optional<GlmTag> tag_at(std::size_t i) const { return i < text_.size() ? tag_of(text_[i]) : std::nullopt; }

  bool may_be_called(const std::string& name) const {
    const std::vector<std::string>& allowed = rules_.calls.allowed;
    if (!allowed.empty()) return std::find(allowed.begin(), allowed.end(), name) != allowed.end();
    if (rules_.calls.tools.find(name) != nullptr) return true;
    return !name.empty() && name.size() <= 128 && std::all_of(name.begin(), name.end(), [](char c) {
      return (c & 0x80) != 0 || std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view("_-.:/").find(c) != std::string_view::npos;
    });
  }

  bool whole(const ToolCall& call) const {
    const ToolSchema* schema = rules_.calls.tools.find(call.name);
    return schema != nullptr && may_be_called(call.name) &&
           std::all_of(schema->required.begin(), schema->required.end(),
                       [&](const std::string& key) { return call.arguments.contains(key); });
  }

  Found call_at(std::size_t start) const {
    ToolCall call;
    std::size_t i = next_tag(start + 1);
    const std::string inside(text_.substr(start + 1, i - start - 1));
    call.name = trim(inside);
    if (tag_at(i) == GlmTag::call_end) {
      if (may_be_called(call.name)) return {call, true, i + 1};
      std::optional<ToolCall> loose = read_loose_call(inside, rules_.calls.tools);
      if (loose && may_be_called(loose->name)) return {loose, true, i + 1};
      return {std::nullopt, false, i};
    }
    if (tag_at(i) == GlmTag::call && whole(call)) return {call, true, i};
    if (tag_at(i) != GlmTag::key || !may_be_called(call.name)) return {std::nullopt, false, i};
    while (tag_at(i) == GlmTag::key) {
      bool finished = false;
      const std::size_t end = argument_at(i, call, finished);
      if (!finished) return {std::nullopt, true, end};
      i = next_visible(end);
    }
    if (tag_at(i) == GlmTag::call_end) return {call, true, i + 1};
    if (tag_at(i) == GlmTag::call && whole(call)) return {call, true, i};
    return {std::nullopt, true, i};
  }

  // From <arg_key> on; where the argument ends, or cannot go on.
  std::size_t argument_at(std::size_t i, ToolCall& call, bool& finished) const {
    std::size_t end = next_tag(i + 1);
    std::string key(text_.substr(i + 1, end - i - 1));
    if (tag_at(end) == GlmTag::key_end) end = next_visible(end + 1);
    if (tag_at(end) != GlmTag::value) return end;
    const std::size_t begin = end + 1;
    for (end = begin; end < text_.size() && tag_at(end) != GlmTag::value_end;) ++end;
    if (end == text_.size()) return end;
    const ToolSchema* schema = rules_.calls.tools.find(call.name);
    const auto declared = [&](const std::string& name) {
      return schema != nullptr && schema->parameters.contains(name);
    };
    if (!declared(key) && declared(trim(key))) key = trim(key);
    call.arguments[key] = rules_.calls.tools.argument(call.name, key, written(text_.substr(begin, end - begin)));
    finished = true;
    return end + 1;
  }

  const OutputRules& rules_;
  bool thinking_;
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t kept_ = 0;
  bool first_ = true;
  bool skip_ = false;      // white space, behind </think>
  bool late_end_ = false;  // a call ended the thinking, and its </think> may still come
  bool think_is_text_ = false;
  bool done_ = false;
  std::string stretch_;  // text in which a stop string may be
  ParsedOutput out_;
};

}  // namespace glimt
