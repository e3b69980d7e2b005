// What chat completions and completions say about sampling.
#pragma once

#include "api/api_request.h"
#include "api/fields.h"
#include "api/sampling_fields.h"

#include <vector>

namespace glimt {

// temperature, top_p, the penalties, the extensions top_k, min_p, typical_p, repetition_penalty and those of DRY, seed
// and logit_bias. Penalties look at the whole answer, as OpenAI's do, unless repeat_last_n says less. Throws
// invalid_request.
void read_openai_sampling(const FieldReader& body, SamplingChanges& changes);

// The numbers among them, with their bounds.
std::vector<SamplingName> openai_sampling_names();

// max_completion_tokens and max_tokens; where both are given, the smaller one. 0 if none is.
std::size_t read_max_tokens(const FieldReader& body);

}  // namespace glimt
