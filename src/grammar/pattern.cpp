#include "grammar/pattern.h"

#include "base/error.h"
#include "grammar/pattern_parser.h"

namespace glimt {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{16} << 10;

// Writes a parsed pattern as a regex of the whole text.
class Writer {
 public:
  explicit Writer(std::string_view where) : where_(where) {}

  // `at_start`: what precedes these alternatives is the start of the text, so that "^" has a meaning, and without it
  // any text may stand before them. `at_end` likewise.
  std::string write(const PatternAlternatives& alternatives, bool at_start, bool at_end) const {
    std::string result;
    for (std::size_t i = 0; i < alternatives.size(); ++i) {
      if (i > 0) result += '|';
      result += write(alternatives[i], at_start, at_end);
    }
    return result;
  }

 private:
  std::string write(const PatternSequence& sequence, bool at_start, bool at_end) const {
    std::size_t first = 0;
    std::size_t last = sequence.size();
    bool open_start = at_start;
    bool open_end = at_end;
    for (; at_start && first < last && sequence[first].kind == PatternNode::Kind::start; ++first) open_start = false;
    for (; at_end && first < last && sequence[last - 1].kind == PatternNode::Kind::end; --last) open_end = false;
    std::string body;
    for (std::size_t i = first; i < last; ++i) {
      const bool takes_start = open_start && i == first && may_hold_ends(sequence[i]);
      const bool takes_end = open_end && i + 1 == last && may_hold_ends(sequence[i]);
      body += write(sequence[i], takes_start, takes_end);
      if (takes_start) open_start = false;
      if (takes_end) open_end = false;
    }
    return fmt::format("{}{}{}", open_start ? kAnyTextRegex : "", body, open_end ? kAnyTextRegex : "");
  }

  std::string write(const PatternNode& node, bool at_start, bool at_end) const {
    if (node.kind == PatternNode::Kind::atom) return node.text + node.repeat;
    if (node.kind != PatternNode::Kind::group) {
      fail(ErrorKind::invalid_request, where_,
           "an anchor inside of a pattern is not supported: ^ must be the first of its alternative and $ the last");
    }
    return fmt::format("({}){}", write(node.alternatives, at_start, at_end), node.repeat);
  }

  // A group that is there once and has an anchor somewhere.
  static bool may_hold_ends(const PatternNode& node) {
    return node.kind == PatternNode::Kind::group && node.repeat.empty() && has_anchor(node.alternatives);
  }

  static bool has_anchor(const PatternAlternatives& alternatives) {
    for (const PatternSequence& sequence : alternatives) {
      for (const PatternNode& node : sequence) {
        if (node.kind == PatternNode::Kind::start || node.kind == PatternNode::Kind::end ||
            has_anchor(node.alternatives))
          return true;
      }
    }
    return false;
  }

  std::string_view where_;
};

}  // namespace

std::string whole_text_regex(std::string_view pattern, std::string_view where) {
  if (pattern.size() > kMaxBytes) {
    fail(ErrorKind::invalid_request, where, "{} bytes long, at most {} wanted", pattern.size(), kMaxBytes);
  }
  return Writer(where).write(parse_pattern(pattern, where), true, true);
}

}  // namespace glimt
