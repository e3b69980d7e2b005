// Wraps text at words while it streams.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace glimt {

// Breaks lines between words, and between wide characters (Chinese, Japanese) but not before their closing or behind
// their opening punctuation. A line that is code or part of a table stays as it is: those between ``` or ~~~, and those
// that begin with '|'. So does a word that is wider than a line. Spaces where a line was broken are left out, nothing
// else is. Not thread-safe.
class LineWrapper {
 public:
  // `width`: how many columns there are, asked before every piece of text since a window may change its size. Below 20
  // nothing is wrapped.
  explicit LineWrapper(std::function<std::size_t()> width) : width_(std::move(width)) {}

  // What can be shown of the text so far: all of it but the last word, which may have to go to the next line.
  std::string push(std::string_view text);

  // The held-back rest. The column stays.
  std::string flush();

  // What comes next starts in the first column, e.g. since the caller wrote a line break.
  void start_line();

 private:
  void read(std::string_view character, char32_t code);
  void end_word();
  void end_line();
  bool is_kept() const;  // this line is not wrapped

  std::function<std::size_t()> width_;
  std::size_t columns_ = 0;  // the width at present
  std::string out_;
  std::string spaces_;  // before the word
  std::string word_;
  std::string beginning_;  // of the line: what says what kind it is
  std::size_t column_ = 0;
  bool opens_ = false;  // the word ends with opening punctuation
  bool wide_ = false;   // the word ends with a wide character
  bool in_code_ = false;
};

// "left      right …" with the words of `right` wrapped at `width` columns under each other, `left_width` from the left.
// Ends with a line break.
std::string in_columns(std::string_view left, std::string_view right, std::size_t left_width, std::size_t width);

}  // namespace glimt
