#include "grammar/schema.h"

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/pattern.h"
#include "grammar/schema_keywords.h"
#include "grammar/schema_objects.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

namespace glimt {
namespace {

constexpr double kMaxFactor = 10'000;
constexpr std::int64_t kMaxPlainInteger = 999'999'999'999'999;  // all of 15 digits: a small regex
constexpr int kMaxReferences = 32;                              // in a row
constexpr std::size_t kMaxUniqueValues = 4;                     // 65 ways to put them in a row

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

std::string under(std::string_view path, std::string_view key) { return fmt::format("{}/{}", path, pointer_part(key)); }

[[noreturn]] void refuse(std::string_view where, std::string_view path, std::string_view what) {
  if (path.empty()) fail(ErrorKind::invalid_request, where, "{}", what);
  fail(ErrorKind::invalid_request, where, "{}: {}", path.substr(0, 200), what);
}

// Written as one line, as dump_json and the chat template write JSON: an answer has no room for endless white space.
json::object one_line(bool plain_escapes) {
  json::object options{{"whitespace_flexible", false}, {"item_separator", ", "}, {"key_separator", ": "}};
  if (plain_escapes) options["json_allowed_escapes"] = "nrbtf\\\"";
  return options;
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

bool has_odd_name(const json::value& required) {
  const json::array* names = required.if_array();
  return names != nullptr && std::any_of(names->begin(), names->end(), [](const json::value& name) {
           return name.is_string() && has_control_character(view(name.get_string()));
         });
}

// Whether a key that is spelled with escapes could get around its schema: beside patterns, free keys with a schema of
// their own, and names with control characters, where a pattern for free keys (schema_objects.cpp) does not help.
bool has_keys_of_two_spellings(const json::value& schema) {
  if (const json::array* items = schema.if_array()) {
    return std::any_of(items->begin(), items->end(), has_keys_of_two_spellings);
  }
  const json::object* fields = schema.if_object();
  if (fields == nullptr) return false;
  const bool named = fields->contains("properties");
  return std::any_of(fields->begin(), fields->end(), [&](const auto& field) {
    const std::string_view name(field.key().data(), field.key().size());
    const bool others = name == "additionalProperties" || name == "unevaluatedProperties";
    return name == "patternProperties" ||
           (named && others && !says_nothing(field.value()) && !says_never(field.value())) ||
           (name == "required" && has_odd_name(field.value())) || has_control_character(name) ||
           has_keys_of_two_spellings(field.value());
  });
}

class Preparation {
 public:
  Preparation(const SchemaDocument& document, SchemaBudget& budget, std::string_view where)
      : document_(document), budget_(budget), where_(where) {}

  json::value run(const json::value& schema) {
    json::value result = convert(schema, "", 0);
    if (const bool* all = result.if_bool()) {
      if (!*all) refuse_at("", "the schema is false: nothing fits it");
      result = json::object{};
    }
    json::object& fields = result.get_object();
    json::object defs;
    // Targets may refer to further ones, which are then appended to `targets_`.
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const Target target = targets_[i];
      defs[target.name] = convert(*target.schema, target.path, 1);
    }
    if (uses_integer_) defs["integer 0"] = plain_integer();
    if (!defs.empty()) fields["$defs"] = std::move(defs);
    fields["x-guidance"] = one_line(document_.plain_escapes);
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
    budget_.spend_part(where_, path);
    if (schema.is_bool()) return schema;
    const json::object* fields = schema.if_object();
    if (fields == nullptr) refuse_at(path, "a schema must be an object or a boolean");
    if (says_never(schema)) return false;
    if (const json::value* nullable = fields->if_contains("nullable"); nullable != nullptr && *nullable == true) {
      json::object inner = *fields;
      inner.erase("nullable");
      return json::object{{"anyOf", {convert(inner, path, depth), {{"type", "null"}}}}};
    }
    return convert_fields(*fields, path, depth);
  }

  json::value convert_fields(const json::object& fields, const std::string& path, int depth) {
    json::object result;
    for (const auto& [name, value] : fields) {
      const Keyword* keyword = find_keyword(name);
      if (keyword == nullptr) continue;
      if (keyword->holds == Holds::condition) {
        if (!says_nothing(name, value, fields)) apply_condition(*keyword, value, fields, path);
        continue;
      }
      budget_.spend_bytes(keyword->name.size() + 8, where_, path);
      convert_field(*keyword, value, under(path, name), depth + 1, fields, result);
    }
    restrict_encoding(fields, path, result);
    tidy_items(result);
    close_unevaluated(fields, path, depth, result);
    allow_each_item_once(fields, path, result);
    tidy_numbers(result);
    if (may_be(fields, "object")) {
      shape_object(fields, result, {document_, budget_, where_, path});
    }
    return result;
  }

  // Whether this condition, which says something, is one of those that are carried out further below.
  void apply_condition(const Keyword& keyword, const json::value& value, const json::object& fields,
                       const std::string& path) const {
    const std::string_view name = keyword.name;
    if (name == "uniqueItems" && value == true && fields.contains("items")) return;
    if (name == "propertyNames" && !fields.contains("properties") && !fields.contains("patternProperties")) return;
    if (name.starts_with("unevaluated") && !has_applicators(fields)) return;
    refuse_at(path, fmt::format("keyword '{}' is not supported: {}", name, keyword.instead));
  }

  // Keywords whose schemas evaluate properties and items of the same value.
  static bool has_applicators(const json::object& fields) {
    return std::any_of(fields.begin(), fields.end(), [](const auto& field) {
      static constexpr std::array<std::string_view, 7> kNames = {"$ref", "allOf", "anyOf",           "oneOf",
                                                                 "if",   "not",   "dependentSchemas"};
      return std::find(kNames.begin(), kNames.end(), std::string_view(field.key())) != kNames.end();
    });
  }

  void convert_field(const Keyword& keyword, const json::value& value, const std::string& place, int depth,
                     const json::object& fields, json::object& result) {
    const json::string_view name(keyword.name.data(), keyword.name.size());
    switch (keyword.holds) {
      case Holds::types: result[name] = checked_types(value, place); break;
      case Holds::names: result[name] = checked_names(value, place); break;
      case Holds::count: result[name] = checked_count(value, place); break;
      case Holds::pattern:
        if (may_be(fields, "string")) add_pattern(pattern_of(value, place), result);
        break;
      case Holds::format:
        // A format is about strings; "int32" and the like say nothing that the type does not.
        if (may_be(fields, "string")) add_format(value, place, result);
        break;
      case Holds::factor: result[name] = checked_factor(value, place); break;
      case Holds::bound: result[name] = checked_bound(keyword.name, value, place); break;
      case Holds::literal:
        check_literal(value, place, depth);
        result[name] = value;
        break;
      case Holds::literals:
        if (!value.is_array()) refuse_at(place, "must be an array");
        for (const json::value& item : value.get_array()) check_literal(item, place, depth);
        result[name] = value;
        break;
      case Holds::reference: result[name] = reference(value, place); break;
      default: result[name] = converted_schemas(keyword, value, place, depth); break;
    }
  }

  json::value converted_schemas(const Keyword& keyword, const json::value& value, const std::string& place, int depth) {
    if (keyword.holds == Holds::named_schemas || keyword.holds == Holds::patterned_schemas) {
      return named_schemas(value, place, depth, keyword.holds == Holds::patterned_schemas);
    }
    if (keyword.holds == Holds::schema && !(value.is_array() && keyword.name == "items")) {
      return shared(convert(value, place, depth));
    }
    if (!value.is_array()) refuse_at(place, "must be an array");
    if (keyword.name == "prefixItems" && document_.draft < SchemaDraft::draft2020) {
      refuse_at(place, "is of draft 2020-12: write items as an array, or leave $schema out");
    }
    json::array schemas;
    for (std::size_t i = 0; i < value.get_array().size(); ++i) {
      const json::value& item = value.get_array()[i];
      const std::string item_place = under(place, std::to_string(i));
      schemas.push_back(keyword.name == "oneOf" ? convert_inline(item, item_place, depth)
                                                : convert(item, item_place, depth));
    }
    return schemas;
  }

  json::object named_schemas(const json::value& value, const std::string& place, int depth, bool patterns) {
    if (!value.is_object()) refuse_at(place, "must be an object");
    if (value.get_object().size() > kMaxProperties) {
      refuse_at(place, fmt::format("{} entries, at most {} wanted", value.get_object().size(), kMaxProperties));
    }
    json::object schemas;
    for (const auto& [name, schema] : value.get_object()) {
      const std::string inner = under(place, name);
      const std::string key = patterns ? anchored(whole_text_regex(name, at(inner))) : std::string(name);
      budget_.spend_bytes(key.size(), where_, inner);
      schemas[key] = shared(convert(schema, inner, depth));
    }
    return schemas;
  }

  std::string at(const std::string& place) const { return fmt::format("{}: {}", where_, place); }

  // ---- references ----

  static json::object plain_integer() {
    return {{"type", "integer"}, {"minimum", -kMaxPlainInteger}, {"maximum", kMaxPlainInteger}};
  }

  // Plain integers are compiled once, because a range of numbers is the largest regex of most schemas.
  json::value shared(json::value schema) {
    if (schema != json::value(plain_integer())) return schema;
    uses_integer_ = true;
    return json::object{{"$ref", "#/$defs/integer 0"}};
  }

  // A branch of a oneOf: a reference is replaced by its target. A cycle ends at the limit of levels; llguidance could
  // not tell the branches of one apart either.
  json::value convert_inline(const json::value& schema, const std::string& path, int depth) {
    const json::object* fields = schema.if_object();
    const json::value* target = fields == nullptr ? nullptr : fields->if_contains("$ref");
    const bool alone = target != nullptr && std::none_of(fields->begin(), fields->end(), [](const auto& field) {
                         return field.key() != "$ref" && find_keyword(field.key()) != nullptr;
                       });
    if (!alone) return convert(schema, path, depth);
    if (depth > kMaxSchemaDepth) refuse_at(path, fmt::format("nested deeper than {} levels", kMaxSchemaDepth));
    const json::value& resolved = resolve_reference(*target, document_.root, where_, under(path, "$ref"));
    return convert_inline(resolved, std::string(view(target->get_string()).substr(1)), depth + 1);
  }

  json::value reference(const json::value& value, const std::string& place) {
    const json::value& target = resolve_reference(value, document_.root, where_, place);
    const auto [entry, is_new] = names_.try_emplace(&target, "");
    if (is_new) {
      const std::string pointer(view(value.get_string()).substr(1));
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

  // ---- types, names, counts, literals ----

  json::value checked_types(const json::value& value, const std::string& place) const {
    static constexpr std::array<std::string_view, 7> kTypes = {"null",   "boolean", "integer", "number",
                                                               "string", "array",   "object"};
    const auto check = [&](const json::value& type) {
      const bool known =
          type.is_string() && std::find(kTypes.begin(), kTypes.end(), view(type.get_string())) != kTypes.end();
      if (!known) refuse_at(place, fmt::format("{} is no type of JSON", dump_json(type).substr(0, 60)));
    };
    if (!value.is_array()) {
      check(value);
    } else {
      for (const json::value& type : value.get_array()) check(type);
    }
    return value;
  }

  json::value checked_names(const json::value& value, const std::string& place) const {
    if (!value.is_array()) refuse_at(place, "must be an array of names");
    if (value.get_array().size() > kMaxProperties) {
      refuse_at(place, fmt::format("{} names, at most {} wanted", value.get_array().size(), kMaxProperties));
    }
    for (const json::value& name : value.get_array()) {
      if (!name.is_string()) refuse_at(place, "must be an array of names");
      budget_.spend_bytes(name.get_string().size(), where_, place);
    }
    return value;
  }

  // 2.0 is the integer 2.
  json::value checked_count(const json::value& value, const std::string& place) const {
    constexpr double kMost = 4'000'000'000;
    const double count = value.is_number() ? value.to_number<double>() : -1;
    if (count < 0 || count != std::floor(count)) {
      refuse_at(place, fmt::format("must be an integer from 0, got {}", dump_json(value).substr(0, 60)));
    }
    return static_cast<std::uint64_t>(std::min(count, kMost));
  }

  void check_literal(const json::value& value, const std::string& place, int depth) const {
    if (depth > kMaxSchemaDepth) refuse_at(place, fmt::format("nested deeper than {} levels", kMaxSchemaDepth));
    budget_.spend_bytes(value.is_string() ? value.get_string().size() + 2 : 8, where_, place);
    if (value.is_number() && std::abs(value.to_number<double>()) > kMaxSafeInteger) {
      refuse_at(place, "a number beyond 2^53 is not supported");
    }
    if (const json::array* items = value.if_array()) {
      for (const json::value& item : *items) check_literal(item, place, depth + 1);
    }
    if (const json::object* fields = value.if_object()) {
      for (const auto& [name, item] : *fields) {
        budget_.spend_bytes(name.size() + 4, where_, place);
        check_literal(item, place, depth + 1);
      }
    }
  }

  // ---- numbers ----

  json::value checked_bound(std::string_view name, const json::value& value, const std::string& place) const {
    if (value.is_bool() && name.starts_with("exclusive")) return value;  // JSON Schema before draft 6
    if (!value.is_number()) refuse_at(place, "must be a number");
    const auto bound = value.to_number<double>();
    if (std::abs(bound) <= kMaxSafeInteger) return value;
    const bool lower = name == "minimum" || name == "exclusiveMinimum";
    if (lower == (bound > 0)) refuse_at(place, "no number within 2^53 is in this range");
    return (lower ? -1 : 1) * static_cast<std::int64_t>(kMaxSafeInteger);
  }

  // Divisibility is an automaton with one state a remainder.
  json::value checked_factor(const json::value& value, const std::string& place) const {
    if (!value.is_number() || value.to_number<double>() <= 0) refuse_at(place, "must be a number above 0");
    auto factor = value.to_number<double>();
    for (int digits = 0; digits < 6 && factor != std::floor(factor); ++digits) factor *= 10;
    if (factor > kMaxFactor || factor != std::floor(factor)) {
      refuse_at(place,
                fmt::format("must have at most 6 digits behind the point, and without it be at most {}", kMaxFactor));
    }
    return value;
  }

  // Draft 4's "exclusiveMinimum": true as a number, and bounds for integers that have none.
  static void tidy_numbers(json::object& fields) {
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

  // ---- strings ----

  std::string pattern_of(const json::value& value, const std::string& place) const {
    if (!value.is_string()) refuse_at(place, "must be a string");
    std::string regex = whole_text_regex(view(value.get_string()), at(place));
    budget_.spend_bytes(regex.size(), where_, place);
    return regex;
  }

  // A second pattern goes into an allOf.
  static void add_pattern(const std::string& regex, json::object& result) {
    if (!result.contains("pattern")) {
      result["pattern"] = anchored(regex);
      return;
    }
    json::object second{{"pattern", anchored(regex)}};
    if (const json::value* type = result.if_contains("type")) second["type"] = *type;
    json::value& all = result["allOf"];
    if (!all.is_array()) all = json::array{};
    all.get_array().push_back(std::move(second));
  }

  void add_format(const json::value& value, const std::string& place, json::object& result) const {
    if (!value.is_string()) refuse_at(place, "must be a string");
    const std::string_view name = view(value.get_string());
    if (says_nothing_about_text(name)) return;
    const StringFormat* format = find_format(name);
    if (format == nullptr) {
      refuse_at(place,
                fmt::format("format '{}' is not supported: leave it out, or give a pattern", name.substr(0, 60)));
    }
    budget_.spend_bytes(format->regex.size(), where_, place);
    add_pattern(format->regex, result);
    if (format->max_length == 0) return;
    json::object limit{{"maxLength", format->max_length}};
    json::value& all = result["allOf"];
    if (!all.is_array()) all = json::array{};
    all.get_array().push_back(std::move(limit));
  }

  // Draft 7 lets contentEncoding and contentMediaType be enforced; a text in base64 is easily had, JSON in a string is
  // not.
  void restrict_encoding(const json::object& fields, const std::string& path, json::object& result) const {
    const auto is = [&](const char* name, const char* wanted) {
      const json::value* value = fields.if_contains(name);
      return value != nullptr && *value == wanted && may_be(fields, "string");
    };
    if (is("contentEncoding", "base64")) add_pattern(find_format("base64")->regex, result);
    if (document_.draft == SchemaDraft::draft7 && is("contentMediaType", "application/json")) {
      refuse_at(path, "contentMediaType 'application/json' cannot be enforced in a string: leave it out");
    }
  }

  // ---- arrays ----

  // The older way to write a tuple, items as an array, becomes prefixItems.
  static void tidy_items(json::object& fields) {
    const json::value* items = fields.if_contains("items");
    if (items != nullptr && items->is_array()) {
      fields["prefixItems"] = json::value(*items);
      fields.stable_erase(fields.find("items"));
      if (const json::value* rest = fields.if_contains("additionalItems")) fields["items"] = json::value(*rest);
    }
    if (fields.contains("additionalItems")) fields.stable_erase(fields.find("additionalItems"));
  }

  // Without applicators beside it, unevaluated… says what additionalProperties and items say.
  void close_unevaluated(const json::object& fields, const std::string& path, int depth, json::object& result) {
    for (const auto& [name, same] :
         {std::pair{"unevaluatedProperties", "additionalProperties"}, {"unevaluatedItems", "items"}}) {
      const json::value* schema = fields.if_contains(name);
      if (schema == nullptr || result.contains(same) || says_nothing(*schema)) continue;
      result[same] = convert(*schema, under(path, name), depth + 1);
    }
  }

  // Arrays of few constants, each at most once: every way to put some of them in a row.
  void allow_each_item_once(const json::object& fields, const std::string& path, json::object& result) const {
    const json::value* unique = fields.if_contains("uniqueItems");
    if (unique == nullptr || says_nothing("uniqueItems", *unique, fields)) return;
    const json::value* type = fields.if_contains("type");
    const std::optional<json::array> values = constants_of(fields.at("items"), path);
    const bool possible = type != nullptr && *type == "array" && values && values->size() <= kMaxUniqueValues &&
                          !result.contains("enum") && !result.contains("const") && !result.contains("prefixItems");
    if (!possible) {
      refuse_at(path, fmt::format("keyword 'uniqueItems' is not supported: {}", find_keyword("uniqueItems")->instead));
    }
    json::array rows{json::array{}};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (const json::value& value : *values) {
        json::array row = rows[i].get_array();
        if (std::find(row.begin(), row.end(), value) != row.end()) continue;
        row.push_back(value);
        rows.push_back(std::move(row));
      }
    }
    result["enum"] = std::move(rows);
  }

  // The values of an enum, a const or a boolean, behind references.
  std::optional<json::array> constants_of(const json::value& schema, const std::string& path) const {
    const json::value* target = &schema;
    for (int i = 0; i < kMaxReferences && target->is_object() && target->get_object().contains("$ref"); ++i) {
      target = &resolve_reference(target->get_object().at("$ref"), document_.root, where_, path);
    }
    const json::object* fields = target->if_object();
    if (fields == nullptr) return std::nullopt;
    if (const json::value* all = fields->if_contains("enum"); all != nullptr && all->is_array()) {
      json::array distinct;
      for (const json::value& value : all->get_array()) {
        if (std::find(distinct.begin(), distinct.end(), value) == distinct.end()) distinct.push_back(value);
      }
      return distinct;
    }
    if (const json::value* one = fields->if_contains("const")) return json::array{*one};
    const json::value* type = fields->if_contains("type");
    if (type != nullptr && *type == "boolean") return json::array{true, false};
    return std::nullopt;
  }

  const SchemaDocument& document_;
  SchemaBudget& budget_;
  std::string_view where_;
  std::map<const json::value*, std::string> names_;  // of referenced schemas
  std::vector<Target> targets_;                      // the same in order
  bool uses_integer_ = false;
};

}  // namespace

void SchemaBudget::spend_part(std::string_view where, std::string_view path) {
  if (++parts_ > max_parts_) refuse(where, path, fmt::format("{} more than {} parts", subject_, max_parts_));
}

void SchemaBudget::spend_bytes(std::size_t count, std::string_view where, std::string_view path) {
  bytes_ += count;
  if (bytes_ > max_bytes_) {
    refuse(where, path, fmt::format("{} more than {} bytes with what references stand for", subject_, max_bytes_));
  }
}

SchemaBudget budget_of_one_schema() { return {6'000, std::size_t{1} << 20, "the schema has"}; }

SchemaDocument::SchemaDocument(const json::value& schema, std::string_view where)
    : root(with_local_references(schema, where)),
      draft(draft_of(schema, where)),
      plain_escapes(has_keys_of_two_spellings(root)) {}

json::value prepare_schema(const json::value& schema, const SchemaDocument& document, SchemaBudget& budget,
                           std::string_view where) {
  return Preparation(document, budget, where).run(schema);
}

json::value prepare_schema(const json::value& schema, std::string_view where) {
  const SchemaDocument document(schema, where);
  SchemaBudget budget = budget_of_one_schema();
  return prepare_schema(document.root, document, budget, where);
}

}  // namespace glimt
