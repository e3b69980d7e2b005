// How OpenAI's clients ask for thinking, in the fields that they know it by.
#pragma once

#include "api/fields.h"
#include "chat/chat_request.h"

#include <span>

namespace glimt {

// Reads, each over the ones before it:
//   reasoning_effort       a word of api/effort.h
//   reasoning              {"effort": word}, as Open WebUI and Ollama have it
//   thinking               Z.ai's {"type": "enabled"|"disabled", "clear_thinking": …}; also "adaptive" and budget_tokens
//   chat_template_kwargs   {"enable_thinking": …, "clear_thinking": …}
// Nothing said: thinking is on. The template's clear_thinking is false unless one of them says true: what a client
// sends back of earlier thinking is rendered, so that the prefix of the conversation stays. `body` has these fields.
// Throws ApiError.
void read_openai_thinking(const FieldReader& body, UnknownFields unknown, std::vector<std::string>& ignored,
                          ChatRequest& request);

std::span<const ApiObject* const> openai_thinking_objects();

}  // namespace glimt
