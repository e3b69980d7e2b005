// Tokens of the content with their probabilities, as OpenAI's and Ollama's dialects show them.
#pragma once

#include "api/answer_writer.h"
#include "base/json.h"

#include <vector>

namespace glimt {

// JSON has no infinity; OpenAI writes -9999 for what cannot come.
double finite_logprob(float logprob);

// [{"token", "logprob", "bytes": [..], "top_logprobs": [{"token", "logprob", "bytes"}]}]. "token" is text: where bytes
// are a part of a character, it has U+FFFD.
json::array content_tokens_json(const std::vector<ContentToken>& tokens);

}  // namespace glimt
