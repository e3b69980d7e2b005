#include "base/double.h"

#include <cctype>
#include <cerrno>
#include <clocale>
#include <cmath>
#include <cstdlib>
#include <string>
#ifdef __APPLE__
#include <xlocale.h>
#endif

namespace glimt {
namespace {

locale_t c_locale() {
  static const locale_t made = ::newlocale(LC_ALL_MASK, "C", locale_t{});  // until the process ends
  return made;
}

// What strtod takes and from_chars does not: white space or '+' in front, hexadecimal digits.
bool begins_as_number(const std::string& text) {
  return !text.empty() && text.front() != '+' && std::isspace(static_cast<unsigned char>(text.front())) == 0;
}

void end_at_hexadecimal(std::string& text) {
  const std::size_t zero = text.starts_with('-') ? 1 : 0;
  if (text.size() > zero + 1 && text[zero] == '0' && (text[zero + 1] == 'x' || text[zero + 1] == 'X')) {
    text.resize(zero + 1);
  }
}

}  // namespace

std::from_chars_result read_double_by_strtod(const char* first, const char* last, double& value) {
  std::string text(first, last);
  if (!begins_as_number(text)) return {first, std::errc::invalid_argument};
  end_at_hexadecimal(text);
  char* end = nullptr;
  errno = 0;
  const double read = ::strtod_l(text.c_str(), &end, c_locale());
  if (end == text.c_str()) return {first, std::errc::invalid_argument};
  const char* const behind = first + (end - text.c_str());
  // strtod reports what it rounds to a subnormal number, too, which from_chars takes.
  if (errno == ERANGE && (read == 0 || std::isinf(read))) return {behind, std::errc::result_out_of_range};
  value = read;
  return {behind, std::errc()};
}

std::from_chars_result read_double(const char* first, const char* last, double& value) {
#ifdef __cpp_lib_to_chars
  return std::from_chars(first, last, value);
#else
  return read_double_by_strtod(first, last, value);
#endif
}

}  // namespace glimt
