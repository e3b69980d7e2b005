#include "chat/tag_reader.h"

#include "base/text.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kMaxSpaceBytes = std::size_t{64} << 10;

}  // namespace

std::vector<AnswerPiece> TagReader::feed(std::string_view text) {
  for (const char c : text) read(c);
  return std::exchange(pieces_, {});
}

std::vector<AnswerPiece> TagReader::finish() {
  if (!value_end_.empty()) {
    push(GlmTag::value_end);
    push(std::string_view(value_end_).substr(text_of(GlmTag::value_end).size()));
    value_end_.clear();
  }
  push(std::exchange(start_, {}));
  return std::exchange(pieces_, {});
}

// Only the first byte of a tag is '<', so a tag that did not come true can hide no other one.
void TagReader::read(char c) {
  if (start_.empty() && c != '<') return on_text(std::string_view(&c, 1));
  start_ += c;
  const bool possible =
      std::any_of(kGlmTags.begin(), kGlmTags.end(), [this](std::string_view tag) { return tag.starts_with(start_); });
  if (!possible) {
    const std::string text = std::exchange(start_, {});
    if (text.size() == 1 || c != '<') return on_text(text);
    on_text(std::string_view(text).substr(0, text.size() - 1));
    return read(c);
  }
  if (const std::optional<GlmTag> tag = glm_tag(start_)) {
    start_.clear();
    on_tag(*tag);
  }
}

void TagReader::on_text(std::string_view text) {
  if (value_end_.empty()) return push(text);
  value_end_ += text;
  const bool space = text.find_first_not_of(kWhiteSpace) == std::string_view::npos;
  if (!space || value_end_.size() > kMaxSpaceBytes) push(std::exchange(value_end_, {}));
}

void TagReader::on_tag(GlmTag tag) {
  const std::string held = std::exchange(value_end_, {});
  if (!held.empty() && (tag == GlmTag::key || tag == GlmTag::call_end)) {
    push(GlmTag::value_end);
    push(std::string_view(held).substr(text_of(GlmTag::value_end).size()));
  } else {
    push(held);
  }
  if (tag == GlmTag::value_end) {
    value_end_ = text_of(tag);
  } else {
    push(tag);
  }
}

void TagReader::push(std::string_view text) {
  if (text.empty()) return;
  if (pieces_.empty() || pieces_.back().tag) pieces_.emplace_back();
  pieces_.back().text += text;
}

void TagReader::push(GlmTag tag) {
  if (pieces_.empty() || pieces_.back().tag) pieces_.emplace_back();
  pieces_.back().tag = tag;
}

ParsedOutput parse_raw(std::string_view text, const OutputRules& rules, std::size_t step) {
  TagReader reader;
  OutputParser parser(rules);
  ParsedOutput output;
  const auto add = [&](const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) output.add(event);
  };
  const auto feed = [&](const std::vector<AnswerPiece>& pieces) {
    for (const AnswerPiece& piece : pieces) {
      add(parser.feed(piece.text));
      if (piece.tag) add(parser.feed(*piece.tag));
    }
  };
  for (std::size_t begin = 0; begin < text.size(); begin += step == 0 ? text.size() : step) {
    feed(reader.feed(text.substr(begin, step == 0 ? text.size() : step)));
  }
  feed(reader.finish());
  add(parser.finish());
  return output;
}

}  // namespace glimt
