#include "cli/answer_printer.h"

#include "base/json.h"
#include "cli/display_width.h"

#include <unistd.h>

#include <cstdlib>
#include <string>

namespace glimt {
namespace {

constexpr std::string_view kDim = "\033[2m";
constexpr std::string_view kPlain = "\033[0m";
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

AnswerStyle style_for(std::FILE* file) {
  const bool terminal = ::isatty(::fileno(file)) == 1;
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool plain =
      (no_color != nullptr && *no_color != '\0') || (term != nullptr && std::string_view(term) == "dumb");
  AnswerStyle style{.color = terminal && !plain, .thinking = terminal, .terminal = terminal};
  if (terminal) style.width = [file] { return terminal_width(file); };
  return style;
}

// C0 except \n and \t, DEL, and C1, which is C2 80..9F in UTF-8.
std::string without_controls(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool c1 = byte == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;
    if (c1 || byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\t')) {
      result += kReplacement;
    } else {
      result += text[i];
    }
  }
  return result;
}

bool AnswerPrinter::print(const OutputEvent& event) {
  if (const auto* thinking = std::get_if<ThinkingDelta>(&event); thinking != nullptr && style_.thinking) {
    enter(Section::thinking);
    write(thinking->text);
  } else if (const auto* content = std::get_if<ContentDelta>(&event)) {
    enter(Section::content);
    write(content->text);
  } else if (const auto* cut = std::get_if<ToolCallCut>(&event)) {
    enter(Section::content);
    write(cut->text);
  } else if (const auto* complete = std::get_if<ToolCallComplete>(&event)) {
    enter(Section::call);
    write(fmt::format("[call] {} {}", complete->call.name, dump_json(complete->call.arguments)));
  }
  return std::fflush(file_) == 0 && std::ferror(file_) == 0;
}

void AnswerPrinter::finish() {
  enter(Section::none);
  std::fflush(file_);
}

// Each section starts on a line of its own; an empty line parts the thinking from what follows.
void AnswerPrinter::enter(Section section) {
  if (section == section_ && section != Section::call) return;
  if (style_.width) {
    std::fputs(wrapper_.flush().c_str(), file_);
    wrapper_.start_line();
  }
  if (section_ == Section::thinking && style_.color) std::fputs(kPlain.data(), file_);
  if (!at_line_start_) std::fputc('\n', file_);
  if (section_ == Section::thinking && section != Section::none) std::fputc('\n', file_);
  if (section == Section::thinking && style_.color) std::fputs(kDim.data(), file_);
  section_ = section;
  at_line_start_ = true;
}

void AnswerPrinter::write(std::string_view text) {
  if (text.empty()) return;
  std::string shown = style_.terminal ? without_controls(text) : std::string(text);
  at_line_start_ = shown.back() == '\n';
  if (style_.width) shown = wrapper_.push(shown);
  std::fwrite(shown.data(), 1, shown.size(), file_);
}

}  // namespace glimt
