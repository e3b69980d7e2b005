// Tools as clients declare them, read into one form. Used by whatever reads tools: the grammar of calls, the reading of
// arguments, messages on their way to a template.
#pragma once

#include "base/json.h"

#include <string>
#include <string_view>
#include <vector>

namespace glimt {

struct ToolDeclaration {
  std::string name;              // not empty
  std::string description;       // empty if the client gives none
  json::value parameters;        // a JSON schema of an object; {} for a tool without arguments
  std::string where;             // opens messages about the tool: "tools[2].function"
  std::string parameters_where;  // and about its parameters: "tools[2].function.parameters"
};

// Understands
//   {"type": "function", "function": {"name", "description", "parameters"}}     OpenAI's chat completions, Ollama
//   {"type": "function", "name", "description", "parameters"}                   OpenAI's responses; also without type
//   {"name", "description", "input_schema"}                                     Anthropic; type "custom" is the same
//   {"name", "description", "inputSchema"}                                      MCP
// `where` names the tool: "tools[2]". Throws invalid_request for a missing name, parameters that are no object, two of
// the three names of parameters at once, and tools of other types ("web_search_20250305"), which no client could run.
ToolDeclaration tool_declaration(const json::value& tool, std::string_view where);

// All tools of a request. Also throws if two have the same name.
std::vector<ToolDeclaration> tool_declarations(const json::array& tools);

}  // namespace glimt
