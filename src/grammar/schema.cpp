#include "grammar/schema.h"

#include "base/error.h"
#include "grammar/formats.h"
#include "grammar/pattern.h"
#include "grammar/schema_keywords.h"
#include "grammar/schema_objects.h"
#include "grammar/schema_values.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <vector>

namespace glimt {
namespace {

constexpr int kMaxReferences = 32;           // in a row
constexpr std::size_t kMaxUniqueValues = 4;  // 65 ways to put them in a row

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

  SchemaPlace at_place(const std::string& path) const { return {document_, budget_, where_, path}; }

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
      shape_object(fields, result, at_place(path));
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
      case Holds::types: result[name] = checked_types(value, at_place(place)); break;
      case Holds::names: result[name] = checked_names(value, at_place(place)); break;
      case Holds::count: result[name] = checked_count(value, at_place(place)); break;
      case Holds::pattern:
        if (may_be(fields, "string")) add_pattern(pattern_of(value, place), result);
        break;
      case Holds::format:
        // A format is about strings; "int32" and the like say nothing that the type does not.
        if (may_be(fields, "string")) add_format(value, place, result);
        break;
      case Holds::factor: result[name] = checked_factor(value, at_place(place)); break;
      case Holds::bound: result[name] = checked_bound(keyword.name, value, at_place(place)); break;
      case Holds::literal:
        check_literal(value, at_place(place), depth);
        result[name] = value;
        break;
      case Holds::literals:
        if (!value.is_array()) refuse_at(place, "must be an array");
        for (const json::value& item : value.get_array()) check_literal(item, at_place(place), depth);
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
