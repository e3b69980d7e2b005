// The rules of chat/output_parser.h a second time, over the whole text at once: look ahead, then decide. Slow and
// plain.
#pragma once

#include "chat/tool_schemas.h"
#include "chat/types.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

class OutputOracle {
 public:
  OutputOracle(const ToolSchemas& tools, bool thinking, std::string_view text)
      : tools_(tools), thinking_(thinking), text_(text) {}

  ParsedOutput run() {
    std::size_t i = 0;
    bool first = true;
    bool pending_end = false;
    bool skip = false;
    while (i < text_.size()) {
      const std::string_view tag = tag_at(i);
      if (tag.empty()) {
        const char c = text_[i++];
        if (skip && space(c)) continue;
        skip = false;
        if (!space(c)) first = false;
        here() += c;
        continue;
      }
      if (tag == "<think>" && first) {
        first = false;
        if (!thinking_) out_.thinking = std::exchange(out_.content, {});
        thinking_ = true;
        i += tag.size();
      } else if (tag == "</think>" && (thinking_ || pending_end)) {
        first = pending_end = false;
        strip(here());
        thinking_ = false;
        skip = true;
        i += tag.size();
      } else if (tag == "<tool_call>") {
        first = false;
        const Found found = call_at(i);
        if (found.call) {
          strip(here());
          out_.tool_calls.push_back(*found.call);
          pending_end = pending_end || thinking_;
          thinking_ = false;
        } else {
          here() += text_.substr(i, found.end - i);
        }
        skip = false;
        i = found.end;
      } else {
        first = skip = false;
        here() += tag;
        i += tag.size();
      }
    }
    return out_;
  }

 private:
  struct Found {
    std::optional<ToolCall> call;
    std::size_t end;
  };

  static bool space(char c) { return std::string_view(" \t\n\v\f\r").find(c) != std::string_view::npos; }
  static void strip(std::string& text) {
    while (!text.empty() && space(text.back())) text.pop_back();
  }
  static std::string trim(std::string text) {
    strip(text);
    std::reverse(text.begin(), text.end());
    strip(text);
    std::reverse(text.begin(), text.end());
    return text;
  }
  std::string& here() { return thinking_ ? out_.thinking : out_.content; }

  std::string_view tag_at(std::size_t i) const {
    for (const std::string_view tag : {"<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>",
                                       "<arg_value>", "</arg_value>"}) {
      if (text_.substr(i).starts_with(tag)) return tag;
    }
    return {};
  }

  // Where the next tag begins, or where the text ends or could still have become a tag.
  std::size_t next_tag(std::size_t i) const {
    while (i < text_.size() && tag_at(i).empty()) ++i;
    return i;
  }
  // What stands in [begin, end); at the end of the text, half a tag is left out.
  std::string piece(std::size_t begin, std::size_t end) const {
    const std::string_view text = text_.substr(begin, end - begin);
    if (end != text_.size()) return std::string(text);
    const std::size_t open = text.rfind('<');
    if (open == std::string_view::npos) return std::string(text);
    for (const std::string_view tag : {"<think>", "</think>", "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>",
                                       "<arg_value>", "</arg_value>"}) {
      if (tag.size() > text.size() - open && tag.starts_with(text.substr(open)))
        return std::string(text.substr(0, open));
    }
    return std::string(text);
  }

  bool whole(const ToolCall& call, bool named) const {
    const ToolSchema* schema = tools_.find(call.name);
    if (schema == nullptr) return named;
    return std::all_of(schema->required.begin(), schema->required.end(),
                       [&](const std::string& key) { return call.arguments.contains(key); });
  }

  Found call_at(std::size_t start) const {
    ToolCall call;
    std::size_t i = start + std::string_view("<tool_call>").size();
    std::size_t end = next_tag(i);
    call.name = trim(piece(i, end));
    bool named = false;
    // Each turn begins where an argument or the end may come; `i` is behind the last thing that was read.
    for (i = end;; i = end) {
      const std::string_view tag = i < text_.size() ? tag_at(i) : std::string_view();
      if (tag == "</tool_call>") {
        if (call.name.empty()) return {std::nullopt, i + tag.size()};
        return {call, i + tag.size()};
      }
      if (tag != "<arg_key>") return whole(call, named) ? Found{call, i} : Found{std::nullopt, i};
      if (call.name.empty()) return {std::nullopt, i + tag.size()};
      named = true;
      i += tag.size();
      end = next_tag(i);
      const auto unfinished = [&] {
        return whole(call, named) ? Found{call, text_.size()} : Found{std::nullopt, text_.size()};
      };
      if (end == text_.size()) return unfinished();
      std::string key(text_.substr(i, end - i));
      if (tag_at(end) == "</arg_key>") {
        end += tag_at(end).size();
        while (end < text_.size() && space(text_[end])) ++end;
        if (end == text_.size() || piece(end, text_.size()).empty()) return unfinished();
        if (tag_at(end).empty()) return {std::nullopt, end + 1};  // text between key and value
      }
      if (tag_at(end) != "<arg_value>") return {std::nullopt, end};
      i = end + tag_at(end).size();
      end = text_.find("</arg_value>", i);
      if (end == std::string_view::npos) return unfinished();
      const ToolSchema* schema = tools_.find(call.name);
      if (schema != nullptr && !schema->parameters.contains(key) && schema->parameters.contains(trim(key)))
        key = trim(key);
      call.arguments[key] = tools_.argument(call.name, key, text_.substr(i, end - i));
      end += std::string_view("</arg_value>").size();
      const std::size_t after = end;
      while (end < text_.size() && space(text_[end])) ++end;
      if (end == text_.size() || (tag_at(end).empty() && !piece(end, text_.size()).empty())) {
        // The end of the text, or other text: the white space belongs to what follows a call.
        return whole(call, named) ? Found{call, after} : Found{std::nullopt, end};
      }
      if (tag_at(end).empty()) {  // half a tag, then the end
        return whole(call, named) ? Found{call, text_.size()} : Found{std::nullopt, text_.size()};
      }
      if (tag_at(end) != "<arg_key>" && tag_at(end) != "</tool_call>" && whole(call, named)) return {call, after};
    }
  }

  const ToolSchemas& tools_;
  bool thinking_;
  std::string_view text_;
  ParsedOutput out_;
};

}  // namespace glimt
