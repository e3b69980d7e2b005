// How many columns of a terminal a text takes.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string_view>

namespace glimt {

// The character at the beginning of `text`, which is not empty, and its bytes. A byte that is not UTF-8 is one
// character.
struct Character {
  char32_t code;
  std::size_t bytes;
};
Character first_character(std::string_view text);

// 0 for combining characters, 2 for wide ones (East Asian, emoji), else 1. Independent of the locale.
std::size_t display_width(char32_t code);
std::size_t display_width(std::string_view text);

// The columns of the terminal behind `file`; 0 if it is none, or does not say.
std::size_t terminal_width(std::FILE* file);

}  // namespace glimt
