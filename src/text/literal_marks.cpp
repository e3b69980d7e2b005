#include "text/literal_marks.h"

#include "text/utf8.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace glimt {
namespace {

// U+20000 to U+200FF, F0 A0 80..83 80..BF in UTF-8: rare ideographs. Python and Jinja treat them as any letter, print
// them unescaped everywhere, and know no other case of them.
constexpr std::string_view kMarkLead = "\xF0\xA0";
constexpr std::size_t kMarks = 256;

std::string mark_at(std::size_t index) {
  std::string mark(kMarkLead);
  mark += static_cast<char>(0x80 + index / 64);
  mark += static_cast<char>(0x80 + index % 64);
  return mark;
}

void note_used(std::string_view text, std::array<bool, kMarks>& used) {
  for (std::size_t at = text.find(kMarkLead); at != std::string_view::npos && at + 4 <= text.size();
       at = text.find(kMarkLead, at + 1)) {
    const auto third = static_cast<unsigned char>(text[at + 2]);
    const auto fourth = static_cast<unsigned char>(text[at + 3]);
    if (third >= 0x80 && third <= 0x83) used[(third - 0x80u) * 64u + (fourth - 0x80u)] = true;
  }
}

// The length of the white space, as Python's strip() counts it, that starts at `at`; 0 if none does.
std::size_t space_at(std::string_view text, std::size_t at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) return (byte >= 0x09 && byte <= 0x0D) || (byte >= 0x1C && byte <= 0x20) ? 1 : 0;
  static constexpr std::array<std::string_view, 19> kWide = {
      "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83",
      "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87", "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A",
      "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
  for (const std::string_view space : kWide) {
    if (text.substr(at).starts_with(space)) return space.size();
  }
  return 0;
}

struct Range {
  std::size_t begin;
  std::size_t end;
};

Range stripped(std::string_view text) {
  Range body{0, text.size()};
  while (body.begin < body.end) {
    const std::size_t space = space_at(text, body.begin);
    if (space == 0) break;
    body.begin += space;
  }
  while (body.begin < body.end) {
    std::size_t last = body.end - 1;  // where the last character starts
    while (last > body.begin && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    if (space_at(text, last) == 0) break;
    body.end = last;
  }
  return body;
}

std::size_t character_size(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-'; });
}

}  // namespace

LiteralMarks::LiteralMarks(const ControlMatcher& controls, std::string_view prompt) : controls_(controls) {
  std::array<bool, kMarks> used{};
  note_used(prompt, used);
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused == used.end()) {
    fail(ErrorKind::invalid_request, "request", "holds all characters from U+20000 to U+200FF, one must be left");
  }
  mark_ = mark_at(static_cast<std::size_t>(unused - used.begin()));
}

std::string LiteralMarks::mark_text(std::string_view text, bool edges) const {
  const Range body = stripped(text);
  const std::string_view inner = text.substr(body.begin, body.end - body.begin);
  const bool front = edges && (controls_.starts_with_ending(inner) || controls_.is_inner_part(inner));
  const bool back = edges && controls_.ends_with_beginning(inner);
  std::string out;
  out.reserve(text.size() + 2 * mark_.size());
  std::size_t mark_before = text.size();  // where the mark of the control token that started last goes
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at == mark_before || (front && at == body.begin) || (back && at == body.end)) out += mark_;
    if (controls_.longest_at(text, at) != nullptr) mark_before = at + character_size(text[at]);
    out += text[at];
  }
  if (back && body.end == text.size()) out += mark_;
  return out;
}

json::object LiteralMarks::mark_object(const json::object& object, bool in_arguments) const {
  json::object marked;
  for (const auto& [key, value] : object) {
    const std::string_view name(key.data(), key.size());
    marked[mark_text(name, in_arguments || !is_word(name))] =
        mark_value(value, name, in_arguments || name == "arguments");
  }
  return marked;
}

json::value LiteralMarks::mark_value(const json::value& value, std::string_view key, bool in_arguments) const {
  if (const json::string* string = value.if_string(); string != nullptr && is_text(value)) {
    const std::string_view text(string->data(), string->size());
    const bool compared = !in_arguments && (key == "role" || key == "type") && is_word(text);
    return json::string(mark_text(text, !compared));
  }
  if (const json::object* object = value.if_object()) return mark_object(*object, in_arguments);
  if (const json::array* array = value.if_array()) {
    json::array marked;
    marked.reserve(array->size());
    for (const json::value& item : *array) marked.push_back(mark_value(item, key, in_arguments));
    return marked;
  }
  return value;
}

json::object LiteralMarks::mark(const json::object& request) const {
  json::object marked;
  for (const auto& [key, value] : request) marked[key] = mark_value(value, {}, false);
  return marked;
}

std::optional<std::vector<ControlSpan>> LiteralMarks::resolve(std::string_view prompt,
                                                              std::string_view marked_prompt) const {
  std::vector<ControlSpan> spans = controls_.find(marked_prompt);
  std::size_t removed = 0;  // bytes of marks before `at`
  std::size_t done = 0;     // of marked_prompt
  std::size_t next_span = 0;
  std::string unmarked;
  unmarked.reserve(prompt.size());
  while (done < marked_prompt.size()) {
    const std::size_t at = std::min(marked_prompt.find(mark_, done), marked_prompt.size());
    for (; next_span < spans.size() && spans[next_span].begin < at; ++next_span) {
      spans[next_span].begin -= removed;
      spans[next_span].end -= removed;
    }
    unmarked += marked_prompt.substr(done, at - done);
    removed += mark_.size();
    done = at + mark_.size();
  }
  if (unmarked != prompt) return std::nullopt;
  return spans;
}

}  // namespace glimt
