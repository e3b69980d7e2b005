// GET /v1/settings: what a request for chat completions can set, with bounds and the model's defaults, for forms.
#pragma once

#include "server/router.h"

namespace glimt {

// {"model", "context_length", "settings": [{"name", "field", "type", "min", "min_excluded", "max", "default", "help",
// "group"}], "features": [words for what this server does beyond OpenAI's]}.
HttpResponse get_settings(const Call& call, const ServedModel& model);

// Of the query "?model=NAME"; empty: the default model.
std::string settings_model(const HttpRequest& request);

}  // namespace glimt
