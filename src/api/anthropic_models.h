// GET /v1/models and /v1/models/{id} in Anthropic's form, which a request with the header anthropic-version gets.
#pragma once

#include "api/model_card.h"
#include "base/json.h"

#include <span>

namespace glimt {

json::object anthropic_model(const ModelCard& card);
json::object anthropic_models(std::span<const ModelCard> cards);  // all on one page

}  // namespace glimt
