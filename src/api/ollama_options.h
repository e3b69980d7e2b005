// What Ollama's requests say of an answer, apart from what they ask: options, how much to think, the form of the answer,
// how long the model stays. All of them take null for nothing.
#pragma once

#include "api/api_request.h"
#include "api/fields.h"

#include <string>

namespace glimt {

// Of the body's field "keep_alive": seconds as a number, or a duration as Go writes it: "5m", "1h30m", "-1s". Negative
// ones are for ever. Throws ApiError for anything else.
KeepAlive read_keep_alive(const FieldReader& body);

// Of "options": sampling, max_tokens, stop and context of the request. Those that do not exist are named in
// request.ignored. Throws ApiError.
void read_ollama_options(const FieldReader& body, ApiRequest& request);

// Of "think": true, false, "low", "medium", "high", "max"; true without it.
void read_think(const FieldReader& body, ChatRequest& chat);

// Of "format": "json", or a JSON schema; "" is nothing.
void read_ollama_format(const FieldReader& body, ChatRequest& chat);

// What chat and generate have besides: model, stream, logprobs, truncate, shift, and all of the above.
void read_ollama_answer(const FieldReader& body, ApiRequest& request);

}  // namespace glimt
