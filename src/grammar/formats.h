// The formats of strings that a grammar can enforce. One table for strings inside of JSON and for arguments of calls,
// which are not quoted.
#pragma once

#include <string>
#include <string_view>

namespace glimt {

struct StringFormat {
  std::string_view name;
  std::string regex;           // of the whole text, Rust's syntax, "/" escaped
  std::size_t max_length = 0;  // in characters; 0: no limit beside the regex
};

// Null for a format that is not known. What a regex admits is always valid, but not everything valid is admitted: no
// leap seconds, no quoted local part of an e-mail address, no "--" at the third place of a label, no IPv4 address in an
// IPv6 one, and of the international formats what is ASCII.
const StringFormat* find_format(std::string_view name);

// Formats that say how a text is shown or stored, and nothing about the text.
bool says_nothing_about_text(std::string_view format);

}  // namespace glimt
