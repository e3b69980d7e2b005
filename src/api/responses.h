// OpenAI's Responses: POST /v1/responses, GET and DELETE /v1/responses/{id}; response_input.h has their input_items.
#pragma once

#include "api/endpoint.h"
#include "api/problem.h"
#include "base/json.h"

#include <string>

namespace glimt {

ParsedRequest parse_responses(const json::object& body, const ApiOptions& options);

ApiError response_not_found(const std::string& id);  // 404

// A response that was kept, and the answer to its removal. Throw ApiError (404) for an id that is not there.
json::object get_response(const std::string& id, const ApiOptions& options);
json::object delete_response(const std::string& id, const ApiOptions& options);

}  // namespace glimt
