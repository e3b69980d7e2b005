// What glimt tells of an answer beyond OpenAI's fields, where a request asks with "glimt": true: how it was made.
#pragma once

#include "api/answer_writer.h"
#include "base/json.h"

namespace glimt {

// {"end", "stop_string", tokens of the prompt and the answer, guesses, seconds of each phase, "context", and "cut": the
// prompt's text on both sides of where the cache ended}.
json::object answer_details(const AnswerHead& head, const AnswerSummary& summary);

// {"loading": 0.4}, {"queued": 3} or {"prefill": {"done", "total"}}.
json::object progress_details(const AnswerProgress& progress);

// Adds "id" and, where it is so, "guessed": true to each token's object, as content_tokens_json made them.
void add_token_details(json::array& items, const std::vector<ContentToken>& tokens);

}  // namespace glimt
