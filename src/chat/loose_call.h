// Calls in the forms of other models, which a model may fall into.
#pragma once

#include "chat/tool_schemas.h"
#include "chat/types.h"

#include <optional>
#include <string_view>

namespace glimt {

// What stands between <tool_call> and </tool_call> where GLM's own form does not, read as one of
//   {"name": "f", "arguments": {"a": 1}}      also "parameters", all of it in "function", arguments in a string of JSON
//   f {"a": 1}   f({"a": 1})
//   f a=1 b="two"   f(a=1, b='two')           only declared arguments, all required ones, of the declared types
// Nothing unless all of `text` is that, and f a tool of `tools`. Never throws.
std::optional<ToolCall> read_loose_call(std::string_view text, const ToolSchemas& tools);

}  // namespace glimt
