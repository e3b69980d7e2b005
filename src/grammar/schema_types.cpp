#include "grammar/schema_types.h"

#include <cmath>

namespace glimt {
namespace {

// A $ref may be circular, and a few of them in an anyOf would then take exponential time.
constexpr int kMaxSchemaDepth = 32;
constexpr int kMaxSubschemas = 1000;  // of one parameter

JsonTypes type_named(std::string_view name) {
  if (name == "string") return kStringType;
  if (name == "integer") return kIntegerType;
  if (name == "number") return kIntegerType | kNumberType;
  if (name == "boolean") return kBooleanType;
  if (name == "null") return kNullType;
  if (name == "array") return kArrayType;
  if (name == "object") return kObjectType;
  return kAnyType;  // a dialect that we do not know must not make us misread the value
}

// Follows "#/$defs/Name" inside `root`; null if it leads nowhere.
const json::value* resolve(std::string_view reference, const json::value& root) {
  if (!reference.starts_with('#')) return nullptr;
  json::error_code error;
  return root.find_pointer(json::string_view(reference.data() + 1, reference.size() - 1), error);
}

class SchemaReader {
 public:
  explicit SchemaReader(const json::value& root) : root_(root) {}

  // Each keyword of a schema narrows what is admitted; one that we cannot read does not.
  JsonTypes types_of(const json::value& schema, int depth = 0) {
    const json::object* fields = schema.if_object();
    if (fields == nullptr || depth > kMaxSchemaDepth || ++visited_ > kMaxSubschemas) return kAnyType;
    JsonTypes types = kAnyType;
    for (const auto& [keyword, value] : *fields) {
      if (keyword == "type") types &= types_listed(value);
      if (keyword == "anyOf" || keyword == "oneOf") types &= any_of(value, depth);
      if (keyword == "allOf") types &= all_of(value, depth);
      if (keyword == "$ref") types &= target_of(value, depth);
      if (keyword == "enum") types &= types_of_values(value);
      if (keyword == "const") types &= type_of(value);
    }
    const json::value* nullable = fields->if_contains("nullable");
    if (nullable != nullptr && nullable->is_bool() && nullable->get_bool()) types |= kNullType;
    return types == 0 ? kAnyType : types;  // a schema that contradicts itself says nothing
  }

 private:
  static JsonTypes types_listed(const json::value& type) {
    if (type.is_string()) return type_named(type.get_string());
    if (!type.is_array()) return kAnyType;
    JsonTypes types = 0;
    for (const json::value& name : type.get_array())
      types |= name.is_string() ? type_named(name.get_string()) : kAnyType;
    return types;
  }

  static JsonTypes types_of_values(const json::value& values) {
    if (!values.is_array()) return kAnyType;
    JsonTypes types = 0;
    for (const json::value& value : values.get_array()) types |= type_of(value);
    return types;
  }

  JsonTypes any_of(const json::value& schemas, int depth) {
    if (!schemas.is_array()) return kAnyType;
    JsonTypes types = 0;
    for (const json::value& schema : schemas.get_array()) types |= types_of(schema, depth + 1);
    return types;
  }

  JsonTypes all_of(const json::value& schemas, int depth) {
    if (!schemas.is_array()) return kAnyType;
    JsonTypes types = kAnyType;
    for (const json::value& schema : schemas.get_array()) types &= types_of(schema, depth + 1);
    return types;
  }

  JsonTypes target_of(const json::value& reference, int depth) {
    if (!reference.is_string()) return kAnyType;
    const json::value* target = resolve(reference.get_string(), root_);
    return target == nullptr ? kAnyType : types_of(*target, depth + 1);
  }

  const json::value& root_;
  int visited_ = 0;
};

}  // namespace

JsonTypes type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::string: return is_text(value) ? kStringType : kIntegerType;
    case json::kind::int64:
    case json::kind::uint64: return kIntegerType;
    case json::kind::double_: return value.get_double() == std::floor(value.get_double()) ? kIntegerType : kNumberType;
    case json::kind::bool_: return kBooleanType;
    case json::kind::null: return kNullType;
    case json::kind::array: return kArrayType;
    case json::kind::object: return kObjectType;
  }
  return kAnyType;
}

JsonTypes types_of(const json::value& schema, const json::value& root) { return SchemaReader(root).types_of(schema); }

}  // namespace glimt
