// The answer to a request for a Response: one JSON object, or events.
#pragma once

#include "api/answer_writer.h"
#include "api/response_store.h"
#include "api/responses_tools.h"
#include "base/json.h"

#include <memory>
#include <string>

namespace glimt {

// What an answer needs of its request.
struct ResponsesPlan {
  bool stream = false;
  json::object echo;                // fields of the response that repeat the request or are always the same
  ResponsesTools tools;             // whose calls these are
  bool encrypted_thinking = false;  // reasoning items have their encrypted_content

  ResponseStore* store = nullptr;  // null: the response is not kept. Outlives the writer
  std::string owner;               // of what is kept
  std::string previous_id;
  std::string input;  // JSON of the items of the request itself
};

std::unique_ptr<AnswerWriter> make_responses_writer(std::shared_ptr<const ResponsesPlan> plan, const AnswerHead& head);

}  // namespace glimt
