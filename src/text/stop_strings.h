// Stop strings: the answer ends before the first of them, and no part of one is ever shown.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// A filter over the text of one answer. What comes out, all pieces together, does not depend on how the text is cut
// into push() calls. Cost is one step a byte and stop string. Not thread-safe.
class StopStrings {
 public:
  // Throws invalid_request for an empty string. No strings: everything passes at once.
  explicit StopStrings(std::vector<std::string> strings);

  // The text that may be shown now. Text that may be the beginning of a stop string is held back; it comes out later if
  // it turns out not to be. The first stop string to be complete ends the answer, the longest of them if several end
  // with the same byte: the text before it comes out, and nothing any more after that.
  std::string push(std::string_view text);

  // A border that no stop string reaches across, and the end of the answer: the text held back comes out. What is
  // pushed afterwards is looked at afresh.
  std::string finish();

  bool stopped() const { return matched_.has_value(); }
  const std::string& matched() const { return patterns_[*matched_].text; }  // REQUIRES: stopped()

 private:
  struct Pattern {
    std::string text;
    std::vector<std::size_t> fallback;  // Knuth-Morris-Pratt: length of the longest border of text[0 .. i]
    std::size_t length = 0;             // how much of `text` the answer ends with
  };

  static void advance(Pattern& pattern, char byte);

  std::vector<Pattern> patterns_;  // longest first
  std::string held_;
  std::optional<std::size_t> matched_;  // into patterns_
};

}  // namespace glimt
