#include "chat/tool_schemas.h"

#include "base/json.h"

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
