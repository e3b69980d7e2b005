// Messages and tools as clients send them, made into the one form that templates, grammars and parsers read.
//
//   message  {"role": "system"|"user"|"assistant"|"tool", "content": text,
//             "reasoning_content"?: text, "tool_calls"?: [{"id"?, "type": "function",
//             "function": {"name", "arguments": object}}], "tool_call_id"?: text, "name"?: text}
//   tool     {"type": "function", "function": {"name", "description"?, "parameters"?, "strict"?, …}}
//
// Nothing that carries content is dropped: what is not understood is an error that names it ("messages[2]: …").
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <string>

namespace glimt {

// Understood, beside the form above:
//   roles      developer is system, function is tool
//   content    absent or null is empty; a list of texts, {"type": "text"|"input_text"|"output_text", "text"} and
//              {"type": "refusal", "refusal"} is joined; a refusal in place of a content is the content
//   reasoning  of an assistant: the first of reasoning_content, thinking and reasoning that has a value
//   calls      flat ones {"name", "arguments"}; arguments as a string of JSON; none are {}
//   results    are put in the order of the calls that they answer, by tool_call_id; tool_name is name
// Fields that are null or empty are left out, and so are those that clients carry along and that say nothing: refusal,
// annotations, audio, reasoning_details, index, cache_control, …. Idempotent. `where` comes before the place in
// messages of errors, which are of `kind`.
json::array normalized_messages(const json::array& messages, const std::string& where = {},
                                ErrorKind kind = ErrorKind::invalid_request);

// Understood: OpenAI's two forms, with "function" around or without it, Anthropic's ("input_schema") and MCP's
// ("inputSchema"). What is inside of "function" stays as it is, since templates show it to the model. Idempotent.
json::array normalized_tools(const json::array& tools, const std::string& where = {},
                             ErrorKind kind = ErrorKind::invalid_request);

}  // namespace glimt
