#include "grammar/schema.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

namespace glimt {
namespace {

constexpr int kMaxParts = 6'000;
constexpr std::size_t kMaxProperties = 1'000;  // of one object
constexpr double kMaxFactor = 10'000;
constexpr std::int64_t kMaxPlainInteger = 999'999'999'999'999;  // all of 15 digits: a small regex

// What the value of a keyword is.
enum class Holds {
  value,
  literal,
  literals,
  schema,
  schemas,
  named_schemas,
  bound,
  factor,
  format,
  reference,
  refused
};

struct Keyword {
  std::string_view name;
  Holds holds;
};

// All that is not here is an annotation.
constexpr std::array kKeywords = {
    Keyword{"type", Holds::value},
    Keyword{"required", Holds::value},
    Keyword{"minItems", Holds::value},
    Keyword{"maxItems", Holds::value},
    Keyword{"minProperties", Holds::value},
    Keyword{"maxProperties", Holds::value},
    Keyword{"minLength", Holds::value},
    Keyword{"maxLength", Holds::value},
    Keyword{"pattern", Holds::value},
    Keyword{"multipleOf", Holds::factor},
    Keyword{"minimum", Holds::bound},
    Keyword{"maximum", Holds::bound},
    Keyword{"exclusiveMinimum", Holds::bound},
    Keyword{"exclusiveMaximum", Holds::bound},
    Keyword{"format", Holds::format},
    Keyword{"const", Holds::literal},
    Keyword{"enum", Holds::literals},
    Keyword{"items", Holds::schema},
    Keyword{"additionalItems", Holds::schema},
    Keyword{"additionalProperties", Holds::schema},
    Keyword{"prefixItems", Holds::schemas},
    Keyword{"anyOf", Holds::schemas},
    Keyword{"oneOf", Holds::schemas},
    Keyword{"allOf", Holds::schemas},
    Keyword{"properties", Holds::named_schemas},
    Keyword{"patternProperties", Holds::named_schemas},
    Keyword{"$ref", Holds::reference},
    Keyword{"not", Holds::refused},
    Keyword{"if", Holds::refused},
    Keyword{"then", Holds::refused},
    Keyword{"else", Holds::refused},
    Keyword{"uniqueItems", Holds::refused},
    Keyword{"contains", Holds::refused},
    Keyword{"minContains", Holds::refused},
    Keyword{"maxContains", Holds::refused},
    Keyword{"propertyNames", Holds::refused},
    Keyword{"dependencies", Holds::refused},
    Keyword{"dependentRequired", Holds::refused},
    Keyword{"dependentSchemas", Holds::refused},
    Keyword{"unevaluatedItems", Holds::refused},
    Keyword{"unevaluatedProperties", Holds::refused},
    Keyword{"$dynamicRef", Holds::refused},
    Keyword{"$recursiveRef", Holds::refused},
};

const Keyword* find_keyword(std::string_view name) {
  const auto* found =
      std::find_if(kKeywords.begin(), kKeywords.end(), [&](const Keyword& keyword) { return keyword.name == name; });
  return found == kKeywords.end() ? nullptr : found;
}

// Written as one line, as dump_json and the chat template write JSON: an answer has no room for endless white space.
json::object one_line() { return {{"whitespace_flexible", false}, {"item_separator", ", "}, {"key_separator", ": "}}; }

std::string escaped(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (c == '~') {
      text += "~0";
    } else if (c == '/') {
      text += "~1";
    } else {
      text += c;
    }
  }
  return text;
}

std::string under(std::string_view path, std::string_view key) { return fmt::format("{}/{}", path, escaped(key)); }

[[noreturn]] void refuse(std::string_view where, std::string_view path, std::string_view what) {
  if (path.empty()) fail(ErrorKind::invalid_request, where, "{}", what);
  fail(ErrorKind::invalid_request, where, "{}: {}", path.substr(0, 200), what);
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

// "%24defs" as in a URI.
std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const auto high = hex_digit(text[i + 1]);
      const auto low = hex_digit(text[i + 2]);
      if (high && low) {
        decoded += static_cast<char>(*high * 16 + *low);
        i += 2;
        continue;
      }
    }
    decoded += text[i];
  }
  return decoded;
}

class Preparation {
 public:
  Preparation(const json::value& root, std::string_view where) : root_(root), where_(where) {}

  json::value run(const json::value& schema) {
    json::value result = convert(schema, "", 0);
    if (const bool* all = result.if_bool()) {
      if (!*all) refuse(where_, "", "the schema is false: nothing fits it");
      result = json::object{};
    }
    json::object& fields = result.get_object();
    json::object defs;
    // Targets may refer to further ones, which are then appended to `targets_`.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const Target target = targets_[i];
      defs[target.name] = convert(*target.schema, target.path, 1);
    }
    if (uses_integer_) {
      defs["integer 0"] = {{"type", "integer"}, {"minimum", -kMaxPlainInteger}, {"maximum", kMaxPlainInteger}};
    }
    if (!defs.empty()) fields["$defs"] = std::move(defs);
    fields["x-guidance"] = one_line();
    return result;
  }

 private:
  struct Target {
    std::string name;
    std::string path;
    const json::value* schema;
  };

  [[noreturn]] void refuse_at(std::string_view path, std::string_view what) const { refuse(where_, path, what); }

  json::value convert(const json::value& schema, const std::string& path, int depth) {
    if (depth > kMaxSchemaDepth) refuse_at(path, fmt::format("nested deeper than {} levels", kMaxSchemaDepth));
    if (++parts_ > kMaxParts) refuse_at(path, fmt::format("the schema has more than {} parts", kMaxParts));
    if (schema.is_bool()) return schema;
    const json::object* fields = schema.if_object();
    if (fields == nullptr) refuse_at(path, "a schema must be an object or a boolean");
    json::object result;
    for (const auto& [name, value] : *fields) {
      const Keyword* keyword = find_keyword(name);
      if (keyword == nullptr) continue;
      const std::string place = under(path, name);
      if (keyword->holds == Holds::refused) {
        const bool says_nothing = name == "uniqueItems" && value == false;
        if (says_nothing) continue;
        refuse_at(path, fmt::format("keyword '{}' is not supported", keyword->name));
      }
      // A format is about strings; "int32" and the like say nothing that the type does not.
      if (keyword->holds == Holds::format && !may_be_string(*fields)) continue;
      result[name] = converted(*keyword, value, place, depth + 1);
    }
    bound_integers(result);
    name_existing_days(result);
    return result;
  }

  json::value converted(const Keyword& keyword, const json::value& value, const std::string& place, int depth) {
    switch (keyword.holds) {
      case Holds::literal: check_literal(value, place, depth); break;
      case Holds::literals:
        if (!value.is_array()) refuse_at(place, "must be an array");
        for (const json::value& item : value.get_array()) check_literal(item, place, depth);
        break;
      case Holds::schema:
        if (value.is_array()) return converted({keyword.name, Holds::schemas}, value, place, depth);
        return shared(convert(value, place, depth));
      case Holds::schemas: {
        if (!value.is_array()) refuse_at(place, "must be an array");
        json::array schemas;
        for (std::size_t i = 0; i < value.get_array().size(); ++i) {
          const json::value& item = value.get_array()[i];
          const std::string item_place = under(place, std::to_string(i));
          schemas.push_back(keyword.name == "oneOf" ? convert_inline(item, item_place, depth)
                                                    : convert(item, item_place, depth));
        }
        return schemas;
      }
      case Holds::named_schemas: {
        if (!value.is_object()) refuse_at(place, "must be an object");
        if (value.get_object().size() > kMaxProperties) {
          refuse_at(place, fmt::format("{} entries, at most {} wanted", value.get_object().size(), kMaxProperties));
        }
        json::object schemas;
        for (const auto& [name, schema] : value.get_object()) {
          schemas[name] = shared(convert(schema, under(place, name), depth));
        }
        return schemas;
      }
      case Holds::bound: return check_bound(keyword.name, value, place);
      case Holds::factor: check_factor(value, place); break;
      case Holds::format: check_format(value, place); break;
      case Holds::reference: return reference(value, place);
      case Holds::value:
      case Holds::refused: break;
    }
    return value;
  }

  // Plain integers are compiled once, because a range of numbers is the largest regex of most schemas.
  json::value shared(json::value schema) {
    const json::object plain{{"type", "integer"}, {"minimum", -kMaxPlainInteger}, {"maximum", kMaxPlainInteger}};
    if (schema != json::value(plain)) return schema;
    uses_integer_ = true;
    return json::object{{"$ref", "#/$defs/integer 0"}};
  }

  // A branch of a oneOf: a reference is replaced by its target. A cycle ends at the limit of levels; llguidance could not
  // tell the branches of one apart either.
  json::value convert_inline(const json::value& schema, const std::string& path, int depth) {
    const json::object* fields = schema.if_object();
    const json::value* target = fields == nullptr ? nullptr : fields->if_contains("$ref");
    const bool alone = target != nullptr && std::none_of(fields->begin(), fields->end(), [](const auto& field) {
                         return field.key() != "$ref" && find_keyword(field.key()) != nullptr;
                       });
    if (!alone) return convert(schema, path, depth);
    const json::value& resolved = resolve_reference(*target, root_, where_, under(path, "$ref"));
    return convert_inline(resolved, std::string(std::string_view(target->get_string()).substr(1)), depth + 1);
  }

  json::value reference(const json::value& value, const std::string& place) {
    const json::value& target = resolve_reference(value, root_, where_, place);
    const auto [entry, is_new] = names_.try_emplace(&target, "");
    if (is_new) {
      const std::string pointer(std::string_view(value.get_string()).substr(1));
      entry->second = name_for(pointer);
      targets_.push_back({entry->second, pointer, &target});
    }
    return json::string("#/$defs/" + entry->second);
  }

  // The last part of a reference where that is a plain word: llguidance shows it in its messages.
  std::string name_for(std::string_view pointer) {
    std::string name(pointer.substr(pointer.rfind('/') + 1));
    const bool plain =
        !name.empty() && name.size() <= 64 &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_") == std::string::npos;
    const bool taken = std::any_of(targets_.begin(), targets_.end(), [&](const Target& t) { return t.name == name; });
    return plain && !taken ? name : std::to_string(targets_.size());
  }

  static bool may_be_string(const json::object& fields) {
    const json::value* type = fields.if_contains("type");
    if (type == nullptr || *type == "string") return true;
    return type->is_array() && std::find(type->get_array().begin(), type->get_array().end(), json::value("string")) !=
                                   type->get_array().end();
  }

  void check_literal(const json::value& value, const std::string& place, int depth) const {
    if (depth > kMaxSchemaDepth) refuse_at(place, fmt::format("nested deeper than {} levels", kMaxSchemaDepth));
    if (value.is_number() && std::abs(value.to_number<double>()) > kMaxSafeInteger) {
      refuse_at(place, "a number beyond 2^53 is not supported");
    }
    if (const json::array* items = value.if_array()) {
      for (const json::value& item : *items) check_literal(item, place, depth + 1);
    }
    if (const json::object* fields = value.if_object()) {
      for (const auto& [name, item] : *fields) check_literal(item, place, depth + 1);
    }
  }

  json::value check_bound(std::string_view name, const json::value& value, const std::string& place) const {
    if (value.is_bool() && name.starts_with("exclusive")) return value;  // JSON Schema before draft 6
    if (!value.is_number()) refuse_at(place, "must be a number");
    const auto bound = value.to_number<double>();
    if (std::abs(bound) <= kMaxSafeInteger) return value;
    const bool lower = name == "minimum" || name == "exclusiveMinimum";
    if (lower == (bound > 0)) refuse_at(place, "no number within 2^53 is in this range");
    return (lower ? -1 : 1) * static_cast<std::int64_t>(kMaxSafeInteger);
  }

  // Divisibility is an automaton with one state a remainder.
  void check_factor(const json::value& value, const std::string& place) const {
    if (!value.is_number() || value.to_number<double>() <= 0) refuse_at(place, "must be a number above 0");
    auto factor = value.to_number<double>();
    for (int digits = 0; digits < 6 && factor != std::floor(factor); ++digits) factor *= 10;
    if (factor > kMaxFactor || factor != std::floor(factor)) {
      refuse_at(place,
                fmt::format("must have at most 6 digits behind the point, and without it be at most {}", kMaxFactor));
    }
  }

  static void bound_integers(json::object& fields) {
    const json::value* type = fields.if_contains("type");
    if (type == nullptr) return;
    const auto has = [&](std::string_view name) {
      const json::value wanted(json::string_view(name.data(), name.size()));
      if (const json::array* names = type->if_array()) {
        return std::find(names->begin(), names->end(), wanted) != names->end();
      }
      return *type == wanted;
    };
    if (!has("integer") || has("number") || fields.contains("enum") || fields.contains("const")) return;
    const bool lower = fields.contains("minimum") || fields.contains("exclusiveMinimum");
    const bool upper = fields.contains("maximum") || fields.contains("exclusiveMaximum");
    if (!lower) fields["minimum"] = -kMaxPlainInteger;
    if (!upper) fields["maximum"] = kMaxPlainInteger;
  }

  static void name_existing_days(json::object& fields) {
    const json::value* format = fields.if_contains("format");
    if (format == nullptr || (*format != "date" && *format != "date-time")) return;
    json::object days{{"type", "string"}, {"pattern", fmt::format("^{}", kDateRegex)}};
    json::value& all = fields["allOf"];
    if (!all.is_array()) all = json::array{};
    all.get_array().push_back(std::move(days));
  }

  void check_format(const json::value& value, const std::string& place) const {
    static constexpr std::array kFormats = {"date-time", "time", "date", "duration", "email",
                                            "hostname",  "ipv4", "ipv6", "uuid",     "uri"};
    if (!value.is_string()) refuse_at(place, "must be a string");
    if (std::find(kFormats.begin(), kFormats.end(), value.get_string()) == kFormats.end()) {
      refuse_at(place, fmt::format("format '{}' is not supported", std::string_view(value.get_string()).substr(0, 60)));
    }
  }

  const json::value& root_;
  std::string_view where_;
  int parts_ = 0;
  std::map<const json::value*, std::string> names_;  // of referenced schemas
  std::vector<Target> targets_;                      // the same in order
  bool uses_integer_ = false;
};

}  // namespace

json::value prepare_schema(const json::value& schema, const json::value& root, std::string_view where) {
  return Preparation(root, where).run(schema);
}

const json::value& resolve_reference(const json::value& reference, const json::value& root, std::string_view where,
                                     std::string_view path) {
  if (!reference.is_string()) refuse(where, path, "must be a string");
  const std::string_view text = reference.get_string();
  const auto shown = text.substr(0, 100);
  if (!text.starts_with('#') || (text.size() > 1 && text[1] != '/')) {
    refuse(where, path, fmt::format("'{}' is not supported: only references within the schema are ('#/…')", shown));
  }
  const std::string pointer = percent_decoded(text.substr(1));
  json::error_code error;
  const json::value* target = root.find_pointer(pointer, error);
  if (target == nullptr) refuse(where, path, fmt::format("'{}' leads nowhere", shown));
  return *target;
}

}  // namespace glimt
