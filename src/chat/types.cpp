#include "chat/types.h"

namespace glimt {

void ParsedOutput::add(const OutputEvent& event) {
  if (const auto* delta = std::get_if<ThinkingDelta>(&event)) thinking += delta->text;
  if (const auto* delta = std::get_if<ContentDelta>(&event)) content += delta->text;
  if (const auto* complete = std::get_if<ToolCallComplete>(&event)) tool_calls.push_back(complete->call);
}

json::object to_json(const ParsedOutput& output) {
  json::array calls;
  for (const ToolCall& call : output.tool_calls) {
    calls.push_back(json::object{{"name", call.name}, {"arguments", call.arguments}});
  }
  return json::object{{"thinking", output.thinking}, {"content", output.content}, {"tool_calls", std::move(calls)}};
}

}  // namespace glimt
