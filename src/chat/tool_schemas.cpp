#include "chat/tool_schemas.h"

#include "base/json.h"

#include <cmath>
#include <optional>

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

JsonTypes type_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::string: return kStringType;
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

ToolSchema read_parameters(const json::value& root) {
  ToolSchema result;
  const json::object* fields = root.if_object();
  if (fields == nullptr) return result;
  if (const json::value* properties = fields->if_contains("properties");
      properties != nullptr && properties->is_object()) {
    for (const auto& [name, schema] : properties->get_object()) {
      result.parameters.emplace(name, SchemaReader(root).types_of(schema));
    }
  }
  if (const json::value* required = fields->if_contains("required"); required != nullptr && required->is_array()) {
    for (const json::value& name : required->get_array()) {
      if (name.is_string()) result.required.emplace_back(name.get_string());
    }
  }
  if (const json::value* others = fields->if_contains("additionalProperties")) {
    result.other_parameters = SchemaReader(root).types_of(*others);
  }
  return result;
}

std::optional<json::value> parse_quietly(std::string_view text) {
  try {
    return parse_json(text, "argument");
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

bool ToolSchema::admits(const json::object& arguments) const {
  for (const std::string& name : required) {
    if (!arguments.contains(name)) return false;
  }
  for (const auto& [name, value] : arguments) {
    const auto declared = parameters.find(std::string_view(name));
    if (declared == parameters.end() ? !parameters.empty() : (declared->second & type_of(value)) == 0) return false;
  }
  return true;
}

ToolSchemas::ToolSchemas(const json::array& tools) {
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    if (!tools[i].is_object())
      fail(ErrorKind::invalid_request, where, "must be an object, got {}", dump_json(tools[i]));
    const JsonFields outer(tools[i].get_object(), where, ErrorKind::invalid_request);
    const json::object& function = outer.has("function") ? outer.object("function") : tools[i].get_object();
    const JsonFields fields(function, outer.has("function") ? where + ".function" : where, ErrorKind::invalid_request);
    std::string name = fields.string("name");
    if (name.empty()) fail(ErrorKind::invalid_request, fields.where(), "field 'name' must not be empty");
    ToolSchema schema;
    if (fields.has("parameters")) {
      fields.object("parameters");  // refuses what is no object
      schema = read_parameters(function.at("parameters"));
    }
    tools_.insert_or_assign(std::move(name), std::move(schema));
  }
}

const ToolSchema* ToolSchemas::find(std::string_view name) const {
  const auto found = tools_.find(name);
  return found == tools_.end() ? nullptr : &found->second;
}

json::value ToolSchemas::argument(std::string_view tool, std::string_view parameter, std::string_view raw) const {
  JsonTypes types = kAnyType;
  if (const ToolSchema* schema = find(tool)) {
    const auto declared = schema->parameters.find(parameter);
    types = declared == schema->parameters.end() ? schema->other_parameters : declared->second;
  }
  const json::value text(json::string_view(raw.data(), raw.size()));
  if (types == kStringType) return text;
  std::optional<json::value> value = parse_quietly(raw);
  if (!value) return text;
  // A string is written raw, so what reads as JSON here may still be the text that was meant: "null", "42", "\"a\"".
  const bool text_is_possible = (types & kStringType) != 0;
  const bool value_is_possible = !value->is_string() && (types & type_of(*value)) != 0;
  return text_is_possible && !value_is_possible ? text : *value;
}

}  // namespace glimt
