#include "chat/tool_schemas.h"

#include "base/json.h"
#include "grammar/schema_references.h"
#include "grammar/tool_declaration.h"

#include <optional>

namespace glimt {
namespace {

ToolSchema read_parameters(const json::value& root) {
  ToolSchema result;
  const json::object* fields = root.if_object();
  if (fields == nullptr) return result;
  if (const json::value* properties = fields->if_contains("properties");
      properties != nullptr && properties->is_object()) {
    for (const auto& [name, schema] : properties->get_object()) {
      result.parameters.emplace(name, types_of(schema, root));
    }
  }
  if (const json::value* required = fields->if_contains("required"); required != nullptr && required->is_array()) {
    for (const json::value& name : required->get_array()) {
      if (name.is_string()) result.required.emplace_back(name.get_string());
    }
  }
  if (const json::value* others = fields->if_contains("additionalProperties")) {
    result.other_parameters = types_of(*others, root);
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
  for (const ToolDeclaration& tool : tool_declarations(tools))
    tools_.emplace(tool.name, read_parameters(with_local_references(tool.parameters, tool.parameters_where)));
}

const ToolSchema* ToolSchemas::find(std::string_view name) const {
  const auto found = tools_.find(name);
  return found == tools_.end() ? nullptr : &found->second;
}

JsonTypes ToolSchemas::types(std::string_view tool, std::string_view parameter) const {
  const ToolSchema* schema = find(tool);
  if (schema == nullptr) return kAnyType;
  const auto declared = schema->parameters.find(parameter);
  return declared == schema->parameters.end() ? schema->other_parameters : declared->second;
}

bool ToolSchemas::is_text(std::string_view tool, std::string_view parameter) const {
  return types(tool, parameter) == kStringType;
}

json::value ToolSchemas::argument(std::string_view tool, std::string_view parameter, std::string_view raw) const {
  const JsonTypes types = this->types(tool, parameter);
  const json::value text(json::string_view(raw.data(), raw.size()));
  if (types == kStringType) return text;
  std::optional<json::value> value = parse_quietly(raw);
  if (!value) return text;
  // A string is written raw, so what reads as JSON here may still be the text that was meant: "null", "42", "\"a\"".
  const bool text_is_possible = (types & kStringType) != 0;
  const bool value_is_possible = !glimt::is_text(*value) && (types & type_of(*value)) != 0;
  return text_is_possible && !value_is_possible ? text : *value;
}

}  // namespace glimt
