// The conversation of a request in Anthropic's form, whose contents are lists of blocks, in the form of chat/messages.h.
//
//   system       texts become one system message in front; one in the middle stays where it is
//   user         each tool_result is a message of role tool, the texts between them are user messages
//   assistant    one message: texts are the content, thinking blocks the reasoning, tool_use blocks the calls
//
// What Claude Code says of itself to its vendor (a text that starts with "x-anthropic-billing-header:") is dropped: it
// differs from request to request and would hide everything behind it from the prefix cache. So are redacted_thinking
// blocks, which only their maker can read.
#pragma once

#include "api/fields.h"

#include <cstddef>
#include <string>
#include <vector>

namespace glimt {

struct AnthropicHistory {
  json::array messages;                       // as normalized_messages returns them
  bool continues_answer = false;              // the last one is the beginning of the answer
  std::vector<std::string> found_tools = {};  // that a search for tools has found (tool_reference)
};

// `system` may be null. Throws ApiError or invalid_request, which names message and block: "messages.0.content.1".
AnthropicHistory read_anthropic_history(const json::value* system, const json::array& messages, UnknownFields unknown,
                                        std::vector<std::string>& ignored);

// Drops the reasoning of all but the last `turns` of those turns that have any. A turn is what the assistant says and
// does between two messages of the user; results of tools do not end it.
void keep_thinking_turns(json::array& messages, std::size_t turns);

}  // namespace glimt
