#include "grammar/tool_declaration.h"

#include <map>
#include <optional>

namespace glimt {
namespace {

// A tool that the server would have to run itself, or whose input is free text, is none of ours.
void check_type(const JsonFields& tool, bool nested) {
  const std::string type = tool.string_or("type", "function");
  if (type == "function" || (type == "custom" && !nested && !tool.has("custom"))) return;
  fail(ErrorKind::invalid_request, tool.where(),
       "a tool of type '{}' is not supported: declare a function with a name and a schema of its parameters",
       std::string_view(type).substr(0, 60));
}

// The name under which this tool has its parameters.
std::optional<std::string_view> parameters_field(const JsonFields& function) {
  std::optional<std::string_view> found;
  for (const std::string_view name : {"parameters", "input_schema", "inputSchema"}) {
    if (!function.has(name)) continue;
    if (found) {
      fail(ErrorKind::invalid_request, function.where(), "has '{}' and '{}': give the schema once", *found, name);
    }
    found = name;
  }
  return found;
}

}  // namespace

ToolDeclaration tool_declaration(const json::value& tool, std::string_view where) {
  if (!tool.is_object()) {
    fail(ErrorKind::invalid_request, where, "must be an object, got {}", dump_json(tool).substr(0, 100));
  }
  const JsonFields outer(tool.get_object(), std::string(where), ErrorKind::invalid_request);
  const bool nested = outer.has("function");
  check_type(outer, nested);
  const json::object& function = nested ? outer.object("function") : tool.get_object();
  const JsonFields fields(function, fmt::format("{}{}", where, nested ? ".function" : ""), ErrorKind::invalid_request);
  ToolDeclaration result;
  result.name = fields.string("name");
  if (result.name.empty()) fail(ErrorKind::invalid_request, fields.where(), "field 'name' must not be empty");
  result.description = fields.string_or("description", "");
  const std::optional<std::string_view> name = parameters_field(fields);
  result.where = fields.where();
  result.parameters_where = fmt::format("{}.{}", fields.where(), name.value_or("parameters"));
  result.parameters = name ? fields.object(*name) : json::object{};
  return result;
}

std::vector<ToolDeclaration> tool_declarations(const json::array& tools) {
  std::vector<ToolDeclaration> result;
  std::map<std::string, std::size_t, std::less<>> places;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    result.push_back(tool_declaration(tools[i], fmt::format("tools[{}]", i)));
    const auto [known, is_new] = places.try_emplace(result.back().name, i);
    if (!is_new) {
      fail(ErrorKind::invalid_request, fmt::format("tools[{}]", i),
           "the name '{}' is that of tools[{}]: names must differ", std::string_view(result.back().name).substr(0, 60),
           known->second);
    }
  }
  return result;
}

}  // namespace glimt
