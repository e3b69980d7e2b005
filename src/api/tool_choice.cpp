#include "api/tool_choice.h"

#include "chat/tool_schemas.h"

namespace glimt {

void check_tools_of_choice(const FieldReader& body) {
  if (body.has("tool_choice") && !body.has("tools")) refuse("tool_choice", "is only allowed when 'tools' are given");
}

void apply_tool_choice(const ToolChoice& choice, const std::string& path, ChatRequest& request) {
  const bool wants_tools = choice.mode == ToolChoice::Mode::required || !choice.allowed.empty();
  if (request.tools.empty()) {
    if (wants_tools) refuse(path, "is only allowed when 'tools' are given");
    return;
  }
  const ToolSchemas schemas(request.tools);  // also says what is wrong with the tools
  for (const std::string& name : choice.allowed) {
    if (schemas.find(name) == nullptr) {
      refuse(path, fmt::format("no tool is called {}", shown_json(json::value(name))));
    }
  }
  request.tool_use = {
      .banned = choice.mode == ToolChoice::Mode::none, .allowed = choice.allowed, .parallel = choice.parallel};
  if (choice.mode == ToolChoice::Mode::required) request.constraint = ToolCallOutput{};
}

}  // namespace glimt
