// A request of any dialect that wants an answer of the model, taken apart.
#pragma once

#include "api/answer_writer.h"
#include "api/api_request.h"
#include "api/fields.h"

#include <functional>
#include <memory>

namespace glimt {

class ResponseStore;

// What the dialects need to know besides the body.
struct ApiOptions {
  UnknownFields unknown = UnknownFields::refuse;
  std::string key_owner = {};          // whose kept responses may be referred to; empty without keys
  ResponseStore* responses = nullptr;  // where answers are kept; outlives every writer. Null: none are
};

struct ParsedRequest {
  ApiRequest request;
  // Called once, when the prompt has been tokenized. Holds what the dialect must repeat in its answer.
  std::function<std::unique_ptr<AnswerWriter>(const AnswerHead&)> make_writer;
};

// Throws ApiError. Pure: no thread, no socket, no model.
using ParseRequest = ParsedRequest (*)(const json::object& body, const ApiOptions& options);

}  // namespace glimt
