// Anthropic's Messages API: POST /v1/messages and /v1/messages/count_tokens.
//
// max_tokens is required and only lowered: to what the context leaves. A text of an assistant at the end of the history
// is the beginning of the answer, which then does not think. The model thinks only when asked to. Thinking in the
// history is rendered, so that an agent's next request repeats the prompt and the answer of the one before.
#pragma once

#include "api/endpoint.h"

#include <cstddef>

namespace glimt {

ParsedRequest parse_messages(const json::object& body, const ApiOptions& options);

// The same request, of which only the prompt is wanted: max_tokens need not be there, nor any message. It has no writer.
ParsedRequest parse_count_tokens(const json::object& body, const ApiOptions& options);

json::object count_tokens_answer(std::size_t prompt_tokens);  // {"input_tokens": n}

}  // namespace glimt
