#include "api/go_duration.h"

#include <algorithm>
#include <cstdint>

namespace glimt {
namespace {

struct Unit {
  std::string_view name;
  double nanoseconds;
};

// A name comes before those that it begins with.
constexpr Unit kUnits[] = {{"ns", 1},   {"us", 1e3}, {"\u00B5s", 1e3}, {"\u03BCs", 1e3},
                           {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},      {"h", 3600e9}};

constexpr double kLongest = 9.2e18;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes "12.5", "12." or ".5" from the front of the text.
std::optional<double> take_number(std::string_view& text) {
  double number = 0;
  double place = 0;  // of the next digit behind the point; 0: before it
  bool any = false;
  while (!text.empty() && (is_digit(text.front()) || (text.front() == '.' && place == 0))) {
    if (text.front() == '.') {
      place = 0.1;
    } else if (place == 0) {
      number = number * 10 + (text.front() - '0');
      any = true;
    } else {
      number += place * (text.front() - '0');
      place /= 10;
      any = true;
    }
    text.remove_prefix(1);
  }
  return any ? std::optional(number) : std::nullopt;
}

std::optional<double> take_unit(std::string_view& text) {
  for (const Unit& unit : kUnits) {
    if (!text.starts_with(unit.name)) continue;
    text.remove_prefix(unit.name.size());
    return unit.nanoseconds;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const std::optional<double> number = take_number(text);
    const std::optional<double> unit = number ? take_unit(text) : std::nullopt;
    if (!unit) return std::nullopt;
    sum += *number * *unit;
  }
  sum = std::min(sum, kLongest);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(negative ? -sum : sum));
}

}  // namespace glimt
