// std::from_chars for doubles, also with a C++ library that has it for integers only (Apple's before 2026).
#pragma once

#include <charconv>
#include <version>

namespace glimt {

// As std::from_chars: the longest beginning of [first, last) that is a number, rounded to the nearest double; `value`
// stays as it is with an error (no number, or out of range). Does not ask the locale.
std::from_chars_result read_double(const char* first, const char* last, double& value);

// The same by strtod, for libraries without the other; public for its test.
std::from_chars_result read_double_by_strtod(const char* first, const char* last, double& value);

}  // namespace glimt
