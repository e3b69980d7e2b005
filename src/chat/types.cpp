#include "chat/types.h"

#include <utility>

namespace glimt {

void ParsedOutput::add(const OutputEvent& event) {
  if (const auto* delta = std::get_if<ThinkingDelta>(&event)) thinking += delta->text;
  if (const auto* delta = std::get_if<ContentDelta>(&event)) content += delta->text;
  if (const auto* complete = std::get_if<ToolCallComplete>(&event)) tool_calls.push_back(complete->call);
  if (const auto* cut = std::get_if<ToolCallCut>(&event)) {
    content += cut->text;
    call_cut = true;
  }
}

json::object to_json(const ParsedOutput& output) {
  json::array calls;
  for (const ToolCall& call : output.tool_calls) {
    calls.push_back(json::object{{"name", call.name}, {"arguments", call.arguments}});
  }
  json::object result{{"thinking", output.thinking}, {"content", output.content}, {"tool_calls", std::move(calls)}};
  if (output.call_cut) result["call_cut"] = true;
  return result;
}

json::object to_message(const ParsedOutput& output) {
  json::object message{{"role", "assistant"}, {"content", output.content}};
  if (!output.thinking.empty()) message["reasoning_content"] = output.thinking;
  json::array calls;
  for (const ToolCall& call : output.tool_calls) {
    calls.push_back({{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  if (!calls.empty()) message["tool_calls"] = std::move(calls);
  return message;
}

}  // namespace glimt
