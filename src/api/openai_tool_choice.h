// tool_choice as chat completions have it.
#pragma once

#include "api/tool_choice.h"
#include "base/json.h"

#include <string>

namespace glimt {

// "auto" | "none" | "required", or an object, where the fields of `function` and of `allowed_tools` may also stand in
// the object itself:
//   {"type": "function", "function": {"name": N}}
//   {"type": "allowed_tools", "allowed_tools": {"mode": "auto"|"required", "tools": [{"type": "function", "function":
//    {"name": N}}, …]}}
// A null pointer is auto. Throws ApiError that names the part of `path` at fault. `parallel` is left true.
ToolChoice read_openai_tool_choice(const json::value* choice, const std::string& path);

}  // namespace glimt
