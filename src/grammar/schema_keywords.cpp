#include "grammar/schema_keywords.h"

#include "grammar/schema_references.h"

#include <algorithm>
#include <array>

namespace glimt {
namespace {

constexpr std::string_view kWriteCases = "write the cases as anyOf";
constexpr std::string_view kCloseEach = "close each schema by additionalProperties or items instead";

constexpr std::array kKeywords = {
    Keyword{"type", Holds::types},
    Keyword{"required", Holds::names},
    Keyword{"minItems", Holds::count},
    Keyword{"maxItems", Holds::count},
    Keyword{"minProperties", Holds::count},
    Keyword{"maxProperties", Holds::count},
    Keyword{"minLength", Holds::count},
    Keyword{"maxLength", Holds::count},
    Keyword{"pattern", Holds::pattern},
    Keyword{"format", Holds::format},
    Keyword{"multipleOf", Holds::factor},
    Keyword{"minimum", Holds::bound},
    Keyword{"maximum", Holds::bound},
    Keyword{"exclusiveMinimum", Holds::bound},
    Keyword{"exclusiveMaximum", Holds::bound},
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
    Keyword{"patternProperties", Holds::patterned_schemas},
    Keyword{"$ref", Holds::reference},
    Keyword{"not", Holds::condition, "say what is wanted by enum, pattern or anyOf"},
    Keyword{"if", Holds::condition, kWriteCases},
    Keyword{"then", Holds::condition, kWriteCases},
    Keyword{"else", Holds::condition, kWriteCases},
    Keyword{"uniqueItems", Holds::condition, "it is where type is array and items has an enum of at most 4 values"},
    Keyword{"contains", Holds::condition, "say what each item is by items or prefixItems"},
    Keyword{"minContains", Holds::condition, "say what each item is by items or prefixItems"},
    Keyword{"maxContains", Holds::condition, "say what each item is by items or prefixItems"},
    Keyword{"propertyNames", Holds::condition, "it is where no properties are named and it is an enum or a pattern"},
    Keyword{"dependencies", Holds::condition, kWriteCases},
    Keyword{"dependentRequired", Holds::condition, kWriteCases},
    Keyword{"dependentSchemas", Holds::condition, kWriteCases},
    Keyword{"unevaluatedItems", Holds::condition, kCloseEach},
    Keyword{"unevaluatedProperties", Holds::condition, kCloseEach},
    Keyword{"$dynamicRef", Holds::condition, "use $ref"},
    Keyword{"$recursiveRef", Holds::condition, "use $ref"},
    Keyword{"divisibleBy", Holds::condition, "it is of draft 3: use multipleOf"},
    Keyword{"disallow", Holds::condition, "it is of draft 3: use type or anyOf"},
    Keyword{"extends", Holds::condition, "it is of draft 3: use allOf"},
};

enum class Shape { none, one, list, one_or_list, map, map_of_schemas_or_names };

// Where a field's value has schemas in it, also of fields that are refused: they may be the target of a reference.
Shape shape_of(std::string_view name) {
  static constexpr std::array<std::string_view, 12> kOne = {"additionalItems",
                                                            "additionalProperties",
                                                            "not",
                                                            "if",
                                                            "then",
                                                            "else",
                                                            "contains",
                                                            "propertyNames",
                                                            "contentSchema",
                                                            "unevaluatedItems",
                                                            "unevaluatedProperties",
                                                            "extends"};
  static constexpr std::array<std::string_view, 4> kList = {"prefixItems", "anyOf", "oneOf", "allOf"};
  static constexpr std::array<std::string_view, 5> kMap = {"properties", "patternProperties", "$defs", "definitions",
                                                           "dependentSchemas"};
  const auto in = [&](const auto& names) { return std::find(names.begin(), names.end(), name) != names.end(); };
  if (in(kOne)) return Shape::one;
  if (in(kList)) return Shape::list;
  if (in(kMap)) return Shape::map;
  if (name == "items") return Shape::one_or_list;
  return name == "dependencies" ? Shape::map_of_schemas_or_names : Shape::none;
}

bool all_say_nothing(const json::value& dependents) {
  const json::object* fields = dependents.if_object();
  if (fields == nullptr) return false;
  return std::all_of(fields->begin(), fields->end(), [](const auto& field) {
    const json::array* names = field.value().if_array();
    return names != nullptr ? names->empty() : says_nothing(field.value());
  });
}

bool is_number(const json::value* value, double wanted) {
  return value != nullptr && value->is_number() && value->to_number<double>() == wanted;
}

// At most one item cannot be there twice.
bool holds_one_item(const json::object& fields) {
  const json::value* most = fields.if_contains("maxItems");
  return is_number(most, 0) || is_number(most, 1);
}

}  // namespace

const Keyword* find_keyword(std::string_view name) {
  const auto* found =
      std::find_if(kKeywords.begin(), kKeywords.end(), [&](const Keyword& keyword) { return keyword.name == name; });
  return found == kKeywords.end() ? nullptr : found;
}

bool says_nothing(const json::value& schema) {
  if (const bool* all = schema.if_bool()) return *all;
  const json::object* fields = schema.if_object();
  return fields != nullptr && std::none_of(fields->begin(), fields->end(),
                                           [](const auto& field) { return find_keyword(field.key()) != nullptr; });
}

bool says_nothing(std::string_view name, const json::value& value, const json::object& fields) {
  if (name == "not") return says_never(value);
  if (name == "if") return !fields.contains("then") && !fields.contains("else");
  if (name == "then" || name == "else") return !fields.contains("if");
  if (name == "uniqueItems") return value == false || holds_one_item(fields);
  if (name == "contains") return is_number(fields.if_contains("minContains"), 0) && !fields.contains("maxContains");
  if (name == "minContains" || name == "maxContains") {
    return !fields.contains("contains") || (name == "minContains" && is_number(&value, 0));
  }
  if (name == "propertyNames") {
    json::value names = value;
    json::object* inner = names.if_object();
    if (inner != nullptr && inner->contains("type") && inner->at("type") == "string") inner->erase("type");
    return says_nothing(names);
  }
  if (name == "dependencies" || name == "dependentRequired" || name == "dependentSchemas")
    return all_say_nothing(value);
  if (name == "unevaluatedItems" || name == "unevaluatedProperties") return says_nothing(value);
  return false;
}

bool says_never(const json::value& schema) {
  if (const bool* all = schema.if_bool()) return !*all;
  const json::object* fields = schema.if_object();
  const json::value* excluded = fields == nullptr ? nullptr : fields->if_contains("not");
  return excluded != nullptr && says_nothing(*excluded);
}

json::value map_subschemas(std::string_view name, const json::value& value, const MapSubschema& map) {
  const std::string pointer = fmt::format("/{}", pointer_part(name));
  const Shape shape = shape_of(name);
  const json::array* list = value.if_array();
  const json::object* fields = value.if_object();
  if (shape == Shape::one || (shape == Shape::one_or_list && list == nullptr)) return map(value, pointer);
  if ((shape == Shape::list || shape == Shape::one_or_list) && list != nullptr) {
    json::array result;
    for (std::size_t i = 0; i < list->size(); ++i) result.push_back(map((*list)[i], fmt::format("{}/{}", pointer, i)));
    return result;
  }
  if ((shape == Shape::map || shape == Shape::map_of_schemas_or_names) && fields != nullptr) {
    json::object result;
    for (const auto& [key, item] : *fields) {
      result[key] = item.is_array() ? item : map(item, fmt::format("{}/{}", pointer, pointer_part(key)));
    }
    return result;
  }
  return value;
}

}  // namespace glimt
