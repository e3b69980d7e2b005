// Text to tokens and back, by the tokenizer of a model.
#pragma once

#include "server/router.h"

namespace glimt {

// The model of such a request: "model" of a JSON body, else `model=` of the query; empty: the default one.
std::string tokens_model(const HttpRequest& request);

// A JSON body {"content", ["parse_special"], ["model"]} is answered {"tokens": [ids]}; any other body is the text
// itself, and the answer a bare array of ids.
HttpResponse tokenize(const Call& call, const ServedModel& model);

// {"tokens": [ids], ["model"]} -> {"content"}
HttpResponse detokenize(const Call& call, const ServedModel& model);

}  // namespace glimt
