// What /openapi.json and docs/API.md are made from: each dialect's routes, and the tables of fields that check its
// requests.
#pragma once

#include "api/fields.h"

#include <span>
#include <string_view>

namespace glimt {

struct ApiOperation {
  std::string_view method;              // "POST"
  std::string_view path;                // "/v1/models/{id}"
  std::string_view summary;             // one line
  const ApiObject* request = nullptr;   // the JSON body; null: none
  const ApiObject* answer = nullptr;    // of a 200 that is JSON; null: an object that is not described
  std::string_view streamed_type = {};  // content type where the request asks for a stream; empty: never streamed
  const ApiObject* query = nullptr;     // what may stand behind '?'; null: nothing does anything
};

// One part of the API. `objects` are those that schemas refer to, "#/components/schemas/NAME", besides the bodies.
struct ApiDescription {
  std::string_view title;  // "OpenAI: chat completions"
  std::span<const ApiOperation> operations;
  std::span<const ApiObject* const> objects;
};

}  // namespace glimt
