#include "grammar/schema_values.h"

#include "base/error.h"
#include "grammar/schema_keywords.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace glimt {
namespace {

constexpr double kMaxFactor = 10'000;
constexpr std::int64_t kMaxPlainInteger = 999'999'999'999'999;  // all of 15 digits: a small regex

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

}  // namespace

void refuse(const SchemaPlace& place, std::string_view what) {
  if (place.path.empty()) fail(ErrorKind::invalid_request, place.where, "{}", what);
  fail(ErrorKind::invalid_request, place.where, "{}: {}", std::string_view(place.path).substr(0, 200), what);
}

bool may_be(const json::object& fields, std::string_view name) {
  const json::value* type = fields.if_contains("type");
  if (type == nullptr) return true;
  const json::value wanted(json::string_view(name.data(), name.size()));
  const json::array* names = type->if_array();
  return names == nullptr ? *type == wanted : std::find(names->begin(), names->end(), wanted) != names->end();
}

json::object plain_integer() {
  return {{"type", "integer"}, {"minimum", -kMaxPlainInteger}, {"maximum", kMaxPlainInteger}};
}

json::value checked_types(const json::value& value, const SchemaPlace& place) {
  static constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "integer", "number",
                                                             "string", "array",   "object"};
  const auto check = [&](const json::value& type) {
    const bool known =
        type.is_string() && std::find(kTypes.begin(), kTypes.end(), view(type.get_string())) != kTypes.end();
    if (!known) refuse(place, fmt::format("{} is no type of JSON", dump_json(type).substr(0, 60)));
  };
  if (!value.is_array()) {
    check(value);
  } else {
    for (const json::value& type : value.get_array()) check(type);
  }
  return value;
}

json::value checked_names(const json::value& value, const SchemaPlace& place) {
  if (!value.is_array()) refuse(place, "must be an array of names");
  if (value.get_array().size() > kMaxProperties) {
    refuse(place, fmt::format("{} names, at most {} wanted", value.get_array().size(), kMaxProperties));
  }
  for (const json::value& name : value.get_array()) {
    if (!name.is_string()) refuse(place, "must be an array of names");
    place.budget.spend_bytes(name.get_string().size(), place.where, place.path);
  }
  return value;
}

// 2.0 is the integer 2.
json::value checked_count(const json::value& value, const SchemaPlace& place) {
  constexpr double kMost = 4'000'000'000;
  const double count = value.is_number() ? value.to_number<double>() : -1;
  if (count < 0 || count != std::floor(count)) {
    refuse(place, fmt::format("must be an integer from 0, got {}", dump_json(value).substr(0, 60)));
  }
  return static_cast<std::uint64_t>(std::min(count, kMost));
}

void check_literal(const json::value& value, const SchemaPlace& place, int depth) {
  if (depth > kMaxSchemaDepth) refuse(place, fmt::format("nested deeper than {} levels", kMaxSchemaDepth));
  place.budget.spend_bytes(value.is_string() ? value.get_string().size() + 2 : 8, place.where, place.path);
  if (std::abs(number_of(value).value_or(0)) > kMaxSafeInteger) {
    refuse(place, "a number beyond 2^53 is not supported");
  }
  if (const json::array* items = value.if_array()) {
    for (const json::value& item : *items) check_literal(item, place, depth + 1);
  }
  if (const json::object* fields = value.if_object()) {
    for (const auto& [name, item] : *fields) {
      place.budget.spend_bytes(name.size() + 4, place.where, place.path);
      check_literal(item, place, depth + 1);
    }
  }
}

json::value checked_bound(std::string_view name, const json::value& value, const SchemaPlace& place) {
  if (value.is_bool() && name.starts_with("exclusive")) return value;  // JSON Schema before draft 6
  if (!number_of(value)) refuse(place, "must be a number");
  const double bound = *number_of(value);
  if (std::abs(bound) <= kMaxSafeInteger) return value;
  const bool lower = name == "minimum" || name == "exclusiveMinimum";
  if (lower == (bound > 0)) refuse(place, "no number within 2^53 is in this range");
  return (lower ? -1 : 1) * static_cast<std::int64_t>(kMaxSafeInteger);
}

// Divisibility is an automaton with one state a remainder.
json::value checked_factor(const json::value& value, const SchemaPlace& place) {
  if (!value.is_number() || value.to_number<double>() <= 0) refuse(place, "must be a number above 0");
  auto factor = value.to_number<double>();
  for (int digits = 0; digits < 6 && factor != std::floor(factor); ++digits) factor *= 10;
  if (factor > kMaxFactor || factor != std::floor(factor)) {
    refuse(place, fmt::format("must have at most 6 digits behind the point, and without it be at most {}", kMaxFactor));
  }
  return value;
}

// Draft 4's "exclusiveMinimum": true as a number, and bounds for integers that have none.
void tidy_numbers(json::object& fields) {
  for (const auto& [flag, bound] : {std::pair{"exclusiveMinimum", "minimum"}, {"exclusiveMaximum", "maximum"}}) {
    const json::value* exclusive = fields.if_contains(flag);
    if (exclusive == nullptr || !exclusive->is_bool()) continue;
    const json::value* value = fields.if_contains(bound);
    if (exclusive->get_bool() && value != nullptr) {
      fields[flag] = json::value(*value);
      fields.stable_erase(fields.find(bound));
    } else {
      fields.stable_erase(fields.find(flag));
    }
  }
  const bool bounded = !fields.contains("type") || !may_be(fields, "integer") || may_be(fields, "number") ||
                       fields.contains("enum") || fields.contains("const");
  if (bounded) return;
  const bool lower = fields.contains("minimum") || fields.contains("exclusiveMinimum");
  const bool upper = fields.contains("maximum") || fields.contains("exclusiveMaximum");
  if (!lower) fields["minimum"] = -kMaxPlainInteger;
  if (!upper) fields["maximum"] = kMaxPlainInteger;
}

}  // namespace glimt
