#include "base/json.h"

#include "base/double.h"
#include "base/file.h"
#include "base/file_kind.h"
#include "base/json_parser.h"

#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>

namespace glimt {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kShownBytes = 60;  // of a wrong value in a message
constexpr char kBigIntegerMark = '\xFF';

bool all_finite(const json::value& value) {
  if (const double* number = value.if_double()) return std::isfinite(*number);
  if (const json::array* array = value.if_array()) {
    for (const json::value& item : *array) {
      if (!all_finite(item)) return false;
    }
  }
  if (const json::object* object = value.if_object()) {
    for (const auto& [key, item] : *object) {
      if (!all_finite(item)) return false;
    }
  }
  return true;
}

// "byte 7" of a single line, else "line 3, byte 7", both from 1.
std::string position(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, offset);
  const auto newlines = std::count(before.begin(), before.end(), '\n');
  if (newlines == 0) return fmt::format("byte {}", offset + 1);
  return fmt::format("line {}, byte {}", newlines + 1, offset - before.rfind('\n'));
}

json::value parse(std::string_view text, std::string_view where, ErrorKind kind) {
  json::error_code error;
  std::size_t read = 0;
  json::value value = parse_exactly(text, kMaxDepth, error, read);
  if (error) fail(kind, where, "not valid JSON: {} at {}", error.message(), position(text, read));
  if (!all_finite(value)) fail(kind, where, "not valid JSON: a number is out of range");
  return value;
}

void dump(const json::value& value, std::string& out) {
  if (const json::object* object = value.if_object()) {
    out += '{';
    bool first = true;
    for (const auto& [key, item] : *object) {
      if (!std::exchange(first, false)) out += ", ";
      out += json::serialize(key);
      out += ": ";
      dump(item, out);
    }
    out += '}';
  } else if (const json::array* array = value.if_array()) {
    out += '[';
    bool first = true;
    for (const json::value& item : *array) {
      if (!std::exchange(first, false)) out += ", ";
      dump(item, out);
    }
    out += ']';
  } else if (const std::string_view digits = as_big_integer(value); !digits.empty()) {
    out += digits;
  } else if (const double* number = value.if_double()) {
    // The shortest form that reads back the same; always with a point or an exponent, as Python writes floats.
    std::string text = fmt::format("{}", *number);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    out += text;
  } else {
    out += json::serialize(value);
  }
}

std::string shortened(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 character
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace

json::value big_integer(std::string_view digits) {
  json::string text(1, kBigIntegerMark);
  text.append(json::string_view(digits.data(), digits.size()));
  return text;
}

std::string_view as_big_integer(const json::value& value) {
  const json::string* text = value.if_string();
  if (text == nullptr || text->empty() || text->front() != kBigIntegerMark) return {};
  const std::string_view digits = std::string_view(text->data(), text->size()).substr(1);
  const std::size_t first = digits.starts_with('-') ? 1 : 0;
  const bool all_digits = digits.size() > first && digits.find_first_not_of("0123456789", first) == digits.npos;
  return all_digits ? digits : std::string_view();
}

bool is_text(const json::value& value) { return value.is_string() && as_big_integer(value).empty(); }

std::optional<double> number_of(const json::value& value) {
  if (value.is_number()) return value.to_number<double>();
  const std::string_view digits = as_big_integer(value);
  if (digits.empty()) return std::nullopt;
  double number = digits.front() == '-' ? -HUGE_VAL : HUGE_VAL;  // what read_double leaves if they are too many
  read_double(digits.data(), digits.data() + digits.size(), number);
  return number;
}

json::value parse_json(std::string_view text, std::string_view where) {
  return parse(text, where, ErrorKind::invalid_request);
}

json::value parse_json_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const std::string text = read_file(path, max_bytes);
  if (const auto kind = foreign_kind(text)) fail(ErrorKind::bad_file, path.string(), "is not JSON but {}", *kind);
  return parse(text, path.string(), ErrorKind::bad_file);
}

std::string dump_json(const json::value& value) {
  std::string out;
  dump(value, out);
  return out;
}

JsonFields::JsonFields(const json::object& object, std::string where, ErrorKind kind)
    : object_(object), where_(std::move(where)), kind_(kind) {}

void JsonFields::take(std::string_view name) const {
  if (std::find(taken_.begin(), taken_.end(), name) == taken_.end()) taken_.emplace_back(name);
}

void JsonFields::ignore(std::initializer_list<std::string_view> names) const {
  for (const std::string_view name : names) take(name);
}

void JsonFields::finish(bool (*says_nothing)(const json::value&)) const {
  std::vector<std::string> unknown;
  for (const auto& [key, value] : object_) {
    if (value.is_null() || (says_nothing != nullptr && says_nothing(value))) continue;
    if (std::find(taken_.begin(), taken_.end(), std::string_view(key)) != taken_.end()) continue;
    unknown.push_back(fmt::format("'{}'", shortened(key)));
  }
  if (unknown.empty()) return;
  fail(kind_, where_, "{} {} not known", unknown.size() == 1 ? "field" : "fields",
       fmt::format("{} {}", fmt::join(unknown, ", "), unknown.size() == 1 ? "is" : "are"));
}

const json::value* JsonFields::find(std::string_view name) const {
  take(name);
  const json::value* value = object_.if_contains(name);
  return value != nullptr && !value->is_null() ? value : nullptr;
}

bool JsonFields::has(std::string_view name) const { return find(name) != nullptr; }

const json::value& JsonFields::at(std::string_view name, std::string_view wanted) const {
  take(name);
  const json::value* value = object_.if_contains(name);
  if (value == nullptr) fail(kind_, where_, "field '{}' is missing, {} wanted", name, wanted);
  if (value->is_null()) wrong(name, wanted, *value);
  return *value;
}

void JsonFields::wrong(std::string_view name, std::string_view wanted, const json::value& got) const {
  fail(kind_, where_, "field '{}' must be {}, got {}", name, wanted, shortened(dump_json(got)));
}

std::string JsonFields::string(std::string_view name) const {
  const json::value& value = at(name, "a string");
  if (!is_text(value)) wrong(name, "a string", value);
  return std::string(value.get_string());
}

std::int64_t JsonFields::integer(std::string_view name, std::int64_t min, std::int64_t max) const {
  const std::string wanted = fmt::format("an integer from {} to {}", min, max);
  const json::value& value = at(name, wanted);
  std::optional<std::int64_t> number;
  if (value.is_int64()) number = value.get_int64();
  if (const double* real = value.if_double(); real != nullptr && *real == std::floor(*real) && std::abs(*real) < 9e15) {
    number = static_cast<std::int64_t>(*real);  // some writers spell 10000 as 1e4
  }
  if (!number || *number < min || *number > max) wrong(name, wanted, value);
  return *number;
}

double JsonFields::number(std::string_view name, double min, double max) const {
  const std::string wanted = fmt::format("a number from {} to {}", min, max);
  const json::value& value = at(name, wanted);
  const std::optional<double> number = number_of(value);
  if (!number || !(*number >= min && *number <= max)) wrong(name, wanted, value);
  return *number;
}

bool JsonFields::boolean(std::string_view name) const {
  const json::value& value = at(name, "true or false");
  if (!value.is_bool()) wrong(name, "true or false", value);
  return value.get_bool();
}

const json::object& JsonFields::object(std::string_view name) const {
  const json::value& value = at(name, "an object");
  if (!value.is_object()) wrong(name, "an object", value);
  return value.get_object();
}

const json::array& JsonFields::array(std::string_view name) const {
  const json::value& value = at(name, "an array");
  if (!value.is_array()) wrong(name, "an array", value);
  return value.get_array();
}

std::string JsonFields::string_or(std::string_view name, std::string fallback) const {
  return has(name) ? string(name) : std::move(fallback);
}

std::int64_t JsonFields::integer_or(std::string_view name, std::int64_t fallback, std::int64_t min,
                                    std::int64_t max) const {
  return has(name) ? integer(name, min, max) : fallback;
}

double JsonFields::number_or(std::string_view name, double fallback, double min, double max) const {
  return has(name) ? number(name, min, max) : fallback;
}

bool JsonFields::boolean_or(std::string_view name, bool fallback) const { return has(name) ? boolean(name) : fallback; }

}  // namespace glimt
