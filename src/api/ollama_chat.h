// Ollama's POST /api/chat and /api/generate.
//
// A chat without messages, or a generate without a prompt, loads the model, or unloads it where keep_alive is 0:
// ApiRequest::load_only. `raw` of generate makes ApiRequest::prompts, in which texts of control tokens are control
// tokens, since a client that asks for it writes the template itself. Unknown fields are ignored and named.
#pragma once

#include "api/endpoint.h"

namespace glimt {

ParsedRequest parse_ollama_chat(const json::object& body, const ApiOptions& options);
ParsedRequest parse_ollama_generate(const json::object& body, const ApiOptions& options);

}  // namespace glimt
