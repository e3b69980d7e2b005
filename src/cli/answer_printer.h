// Shows an answer while it streams.
#pragma once

#include "chat/types.h"
#include "cli/line_wrapper.h"

#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace glimt {

struct AnswerStyle {
  bool color = false;                       // thinking is dimmed
  bool thinking = true;                     // shown at all
  bool terminal = false;                    // control characters that the model wrote do not reach the terminal
  std::function<std::size_t()> width = {};  // columns, at which lines are wrapped between words; empty: they are not
};

// For `file`: on a terminal everything, wrapped, dimmed unless NO_COLOR is set; elsewhere only what is the answer.
AnswerStyle style_for(std::FILE* file);

class AnswerPrinter {
 public:
  AnswerPrinter(std::FILE* file, AnswerStyle style) : file_(file), style_(std::move(style)), wrapper_(style_.width) {}

  // Writes and flushes the event, but for a last word that may have to go to the next line. False when the output is
  // closed or full: there is no use in going on.
  bool print(const OutputEvent& event);

  // Ends the last line and the dimming.
  void finish();

 private:
  enum class Section { none, thinking, content, call };

  void enter(Section section);
  void write(std::string_view text);

  std::FILE* file_;
  AnswerStyle style_;
  LineWrapper wrapper_;
  Section section_ = Section::none;
  bool at_line_start_ = true;
};

// `text` without the control characters by which a terminal can be made to do things: all but newline and tab.
std::string without_controls(std::string_view text);

}  // namespace glimt
