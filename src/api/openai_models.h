// GET /v1/models and /v1/models/{id} in OpenAI's form.
#pragma once

#include "api/description.h"
#include "api/model_card.h"
#include "base/json.h"

#include <span>

namespace glimt {

// {"id", "object": "model", "created", "owned_by", "context_length", "max_model_len"}; the last two are extensions that
// editors read.
json::object openai_model(const ModelCard& card);
json::object openai_models(std::span<const ModelCard> cards);  // {"object": "list", "data": […]}

const ApiDescription& openai_models_description();

}  // namespace glimt
