#include "cli/line_wrapper.h"

#include "cli/display_width.h"

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kLeastWidth = 20;
constexpr std::size_t kTab = 8;
constexpr std::size_t kBeginning = 8;  // bytes of a line that tell what kind it is

constexpr std::u32string_view kClosing =
    U"、。，．・：；？！）］｝〕〉》」』】’”…ー々ぁぃぅぇぉっゃゅょァィゥェォッャュョ";
constexpr std::u32string_view kOpening = U"（［｛〔〈《「『【‘“";

bool is_one_of(char32_t code, std::u32string_view set) { return set.find(code) != std::u32string_view::npos; }

std::size_t width_at(std::string_view text, std::size_t column) {
  std::size_t end = column;
  while (!text.empty()) {
    const Character character = first_character(text);
    end += character.code == '\t' ? kTab - end % kTab : display_width(character.code);
    text.remove_prefix(character.bytes);
  }
  return end - column;
}

// "```python" or "~~~" after at most three spaces.
bool is_fence(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin > 3) return false;  // also where there is nothing else
  const std::string_view mark = line.substr(begin, 3);
  return mark == "```" || mark == "~~~";
}

}  // namespace

std::string LineWrapper::push(std::string_view text) {
  columns_ = width_();
  while (!text.empty()) {
    const Character character = first_character(text);
    read(text.substr(0, character.bytes), character.code);
    text.remove_prefix(character.bytes);
  }
  return std::exchange(out_, {});
}

std::string LineWrapper::flush() {
  end_word();
  out_ += spaces_;
  column_ += width_at(std::exchange(spaces_, {}), column_);
  return std::exchange(out_, {});
}

void LineWrapper::start_line() {
  column_ = 0;
  beginning_.clear();
  in_code_ = false;
}

bool LineWrapper::is_kept() const {
  return columns_ < kLeastWidth || in_code_ || beginning_.starts_with('|') || is_fence(beginning_);
}

void LineWrapper::read(std::string_view character, char32_t code) {
  if (code == '\n') return end_line();
  if (beginning_.size() < kBeginning) beginning_ += character;
  if (code == ' ' || code == '\t') {
    end_word();
    spaces_ += character;
    return;
  }
  const bool wide = display_width(code) == 2;
  const bool joins = display_width(code) == 0 || is_one_of(code, kClosing) || opens_;
  if (!word_.empty() && !joins && (wide || wide_)) end_word();
  word_ += character;
  opens_ = is_one_of(code, kOpening);
  wide_ = wide || (wide_ && joins);
}

// Puts the word behind its spaces, or into a new line without them.
void LineWrapper::end_word() {
  if (word_.empty()) return;
  const std::size_t spaces = width_at(spaces_, column_);
  const std::size_t word = width_at(word_, column_ + spaces);
  if (column_ > 0 && !is_kept() && column_ + spaces + word > columns_) {
    out_ += '\n';
    column_ = display_width(word_);
  } else {
    out_ += spaces_;
    column_ += spaces + word;
  }
  spaces_.clear();
  out_ += std::exchange(word_, {});
  opens_ = wide_ = false;
}

void LineWrapper::end_line() {
  end_word();
  out_ += std::exchange(spaces_, {}) + '\n';
  if (is_fence(beginning_)) in_code_ = !in_code_;
  column_ = 0;
  beginning_.clear();
}

std::string in_columns(std::string_view left, std::string_view right, std::size_t left_width, std::size_t width) {
  const std::string margin(left_width, ' ');
  std::string text(left);
  const std::size_t used = display_width(left);
  text += used < left_width ? margin.substr(used) : "\n" + margin;
  LineWrapper wrapper([&] { return std::max(width - std::min(width, left_width), kLeastWidth); });
  std::string wrapped = wrapper.push(right);
  wrapped += wrapper.flush();
  for (const char c : wrapped) {
    text += c;
    if (c == '\n') text += margin;
  }
  return text + '\n';
}

}  // namespace glimt
