// POST /v1/chat/completions: requests.
#pragma once

#include "api/description.h"
#include "api/endpoint.h"

namespace glimt {

// Throws ApiError, and what chat/messages.h throws.
ParsedRequest parse_chat_completions(const json::object& body, const ApiOptions& options);

const ApiDescription& chat_completions_description();

}  // namespace glimt
