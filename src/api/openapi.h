// The API's documents, made from the tables that check requests.
#pragma once

#include "api/description.h"
#include "base/json.h"

#include <span>
#include <string>
#include <string_view>

namespace glimt {

// Every part of the API, in the order of the documents.
std::span<const ApiDescription* const> api_descriptions();

// What GET /openapi.json returns: OpenAPI 3.1. `version` is the program's.
json::object openapi_document(std::string_view version);

}  // namespace glimt
