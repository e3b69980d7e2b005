// Small helpers on plain text; what knows Unicode is in text/.
#pragma once

#include <string_view>
#include <vector>

namespace glimt {

inline constexpr std::string_view kWhiteSpace = " \t\n\r\v\f";

// Without the white space at both ends; a view of `text`.
std::string_view trimmed(std::string_view text);

// The lines of a text without their ends, which are \n or \r\n; views of `text`. A text that ends with a line's end has
// no empty line behind it.
std::vector<std::string_view> lines_of(std::string_view text);

}  // namespace glimt
