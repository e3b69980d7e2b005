#include "api/fields.h"

#include "api/problem.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <utility>

namespace glimt {
namespace {

constexpr std::size_t kShownBytes = 60;
constexpr std::size_t kShownNames = 8;  // of unknown fields

std::string shortened(std::string_view text) {
  if (text.size() <= kShownBytes) return std::string(text);
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a UTF-8 character
  return std::string(text.substr(0, end)) + "…";
}

// The words of the schema's "type": `"string"`, or `"string", "array"`; empty if it has none.
std::string_view types_of(std::string_view schema) {
  constexpr std::string_view kStart = "{\"type\": ";
  if (!schema.starts_with(kStart)) return {};
  schema.remove_prefix(kStart.size());
  if (schema.starts_with('[')) return schema.substr(1, schema.find(']') - 1);
  return schema.substr(0, schema.find('"', 1) + 1);
}

bool is_whole(const json::value& value) {
  const std::optional<double> number = number_of(value);
  return number && *number == std::floor(*number);  // some writers spell 10000 as 1e4
}

bool fits(const json::value& value, std::string_view types) {
  const auto may_be = [&](std::string_view type) { return types.find(type) != types.npos; };
  if (value.is_null()) return may_be("\"null\"");
  if (value.is_bool()) return may_be("\"boolean\"");
  if (value.is_array()) return may_be("\"array\"");
  if (value.is_object()) return may_be("\"object\"");
  if (is_text(value)) return may_be("\"string\"");
  return may_be("\"number\"") || (may_be("\"integer\"") && is_whole(value));
}

// "a string or an array" for `"string", "array"`.
std::string in_words(std::string_view types) {
  std::string words;
  while (!types.empty()) {
    const std::size_t begin = types.find('"') + 1;
    const std::string_view type = types.substr(begin, types.find('"', begin) - begin);
    const bool vowel = type.starts_with('i') || type.starts_with('a') || type.starts_with('o');
    if (!words.empty()) words += " or ";
    words += type == "boolean" ? "true or false" : fmt::format("{} {}", vowel ? "an" : "a", type);
    types.remove_prefix(std::min(types.size(), begin + type.size() + 1));
  }
  return words;
}

std::string joined(std::string_view where, std::string_view name) {
  return where.empty() ? std::string(name) : fmt::format("{}.{}", where, name);
}

[[noreturn]] void refuse_unknown(const std::vector<std::string>& paths) {
  std::vector<std::string> shown;
  for (const std::string& path : paths) {
    if (shown.size() < kShownNames) shown.push_back(fmt::format("'{}'", shortened(path)));
  }
  const std::string more =
      paths.size() > shown.size() ? fmt::format(" and {} more", paths.size() - shown.size()) : std::string();
  throw ApiError(ErrorKind::invalid_request,
                 {.status = 400,
                  .message = fmt::format("unknown field{} {}{} (`glimt serve --ignore-unknown-fields` accepts them)",
                                         paths.size() == 1 ? "" : "s", fmt::join(shown, ", "), more),
                  .param = shortened(paths.front()),
                  .code = "unknown_parameter"});
}

}  // namespace

std::string shown_json(const json::value& value) { return shortened(dump_json(value)); }

void refuse(std::string path, std::string_view what, std::string_view code) {
  std::string message = fmt::format("{}: {}", path, what);
  throw ApiError(ErrorKind::invalid_request,
                 {.status = 400, .message = std::move(message), .param = std::move(path), .code = std::string(code)});
}

FieldReader::FieldReader(const json::object& object, const ApiObject& table, std::string where, UnknownFields unknown,
                         std::vector<std::string>& ignored)
    : object_(object), table_(table), where_(std::move(where)) {
  std::vector<std::string> unknown_paths;
  for (const auto& [key, value] : object_) {
    if (value.is_null()) continue;
    const ApiField* known = field(key);
    if (known == nullptr) {
      unknown_paths.push_back(path(key));
    } else if (known->use == ApiField::Use::refused) {
      refuse(path(key), known->about, "unsupported_value");
    } else if (const std::string_view types = types_of(known->schema); !types.empty() && !fits(value, types)) {
      wrong(known->name, in_words(types));
    }
  }
  if (!unknown_paths.empty() && unknown == UnknownFields::refuse) refuse_unknown(unknown_paths);
  ignored.insert(ignored.end(), unknown_paths.begin(), unknown_paths.end());
  for (const ApiField& wanted : table_.fields) {
    if (wanted.required && !has(wanted.name)) refuse(path(wanted.name), "is required");
  }
}

const ApiField* FieldReader::field(std::string_view name) const {
  const auto found = std::find_if(table_.fields.begin(), table_.fields.end(),
                                  [&](const ApiField& candidate) { return candidate.name == name; });
  return found == table_.fields.end() ? nullptr : &*found;
}

const json::value* FieldReader::find(std::string_view name) const {
  assert(field(name) != nullptr);
  const json::value* value = object_.if_contains(name);
  return value != nullptr && !value->is_null() ? value : nullptr;
}

std::string FieldReader::path(std::string_view name) const { return joined(where_, name); }

void FieldReader::wrong(std::string_view name, std::string_view wanted) const {
  const json::value* got = find(name);
  refuse(path(name), fmt::format("must be {}, got {}", wanted, got == nullptr ? "nothing" : shown_json(*got)));
}

std::string FieldReader::string_or(std::string_view name, std::string fallback) const {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (!is_text(*value)) wrong(name, "a string");
  return std::string(value->get_string());
}

bool FieldReader::boolean_or(std::string_view name, bool fallback) const {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) wrong(name, "true or false");
  return value->get_bool();
}

std::int64_t FieldReader::integer_or(std::string_view name, std::int64_t fallback, std::int64_t min,
                                     std::int64_t max) const {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  std::optional<std::int64_t> number;
  if (value->is_int64()) number = value->get_int64();
  if (const double* real = value->if_double();
      real != nullptr && *real == std::floor(*real) && std::abs(*real) < 9e15) {
    number = static_cast<std::int64_t>(*real);
  }
  if (!number || *number < min || *number > max) {
    constexpr std::int64_t kEndless = std::numeric_limits<std::int64_t>::max();
    wrong(name, max == kEndless ? fmt::format("an integer of at least {}", min)
                                : fmt::format("an integer from {} to {}", min, max));
  }
  return *number;
}

double FieldReader::number_or(std::string_view name, double fallback, double min, double max) const {
  const json::value* value = find(name);
  if (value == nullptr) return fallback;
  const std::optional<double> number = number_of(*value);
  if (!number || !(*number >= min && *number <= max)) wrong(name, fmt::format("a number from {} to {}", min, max));
  return *number;
}

std::string FieldReader::one_of(std::string_view name, std::string fallback,
                                std::initializer_list<std::string_view> words) const {
  if (!has(name)) return fallback;
  std::string word = string_or(name, {});
  if (std::find(words.begin(), words.end(), word) == words.end()) {
    wrong(name, fmt::format("{} of '{}'", words.size() == 1 ? "the word" : "one", fmt::join(words, "', '")));
  }
  return word;
}

const json::array& FieldReader::array_or_empty(std::string_view name) const {
  static const json::array kEmpty;
  const json::value* value = find(name);
  if (value == nullptr) return kEmpty;
  if (!value->is_array()) wrong(name, "an array");
  return value->get_array();
}

const json::object& FieldReader::object_or_empty(std::string_view name) const {
  static const json::object kEmpty;
  const json::value* value = find(name);
  if (value == nullptr) return kEmpty;
  if (!value->is_object()) wrong(name, "an object");
  return value->get_object();
}

json::object FieldReader::known() const {
  json::object out;
  for (const auto& [key, value] : object_) {
    if (!value.is_null() && field(key) != nullptr) out[key] = value;
  }
  return out;
}

}  // namespace glimt
