// The messages of a conversation as OpenAI's chat completions and Ollama's chat have them.
#pragma once

#include "api/fields.h"

#include <string>
#include <vector>

namespace glimt {

// normalized_messages (chat/messages.h) of what a client sends. Fields that are empty, that say nothing or that answers
// have are passed over, for history is the server's own output handed back; others are unknown ones. An assistant's
// content that begins with <think>…</think> is split into reasoning and content where there is no reasoning besides.
// Throws invalid_request, which names the message, and ApiError for unknown fields and beyond the limit.
json::array read_history(const json::array& messages, UnknownFields unknown, std::vector<std::string>& ignored);

// normalized_tools of tools in OpenAI's form, {"type": "function", "function": {…}}.
json::array read_function_tools(const json::array& tools, UnknownFields unknown, std::vector<std::string>& ignored);

extern const ApiObject kChatMessage;  // what /openapi.json says of a message
extern const ApiObject kChatTool;     // and of a tool

}  // namespace glimt
