// POST /v1/completions: texts that the model goes on with, without a chat template.
#pragma once

#include "api/description.h"
#include "api/endpoint.h"

namespace glimt {

// Throws ApiError.
ParsedRequest parse_completions(const json::object& body, const ApiOptions& options);

struct CompletionForm {
  bool stream = false;
  bool include_usage = false;  // of a stream: a chunk with the usage before the end
  bool logprobs = false;
  std::size_t choices_a_prompt = 1;
  std::size_t prompts = 1;
};

// Choices are in the order of the prompts, those of one prompt together.
std::unique_ptr<AnswerWriter> completion_writer(const AnswerHead& head, const CompletionForm& form);

const ApiDescription& completions_description();

}  // namespace glimt
