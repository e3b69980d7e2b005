// From a request of any dialect to what a model's engine is asked for.
#pragma once

#include "api/api_request.h"
#include "chat/prepare.h"
#include "serving/served_model.h"

#include <cstddef>
#include <string>
#include <vector>

namespace glimt {

// All answers of one request, in the order of their choices.
struct PreparedAnswers {
  std::vector<PreparedChat> prompts;
  std::size_t choices = 1;        // answers to each prompt
  std::size_t prompt_tokens = 0;  // of all prompts together, each counted once
  std::size_t context = 0;        // most tokens of prompt and answer
  std::size_t max_tokens = 0;     // as asked for; 0: as many as the context holds
  std::string name_space;

  std::size_t size() const { return prompts.size() * choices; }
  const PreparedChat& prompt_of(std::size_t answer) const { return prompts[answer / choices]; }

  std::size_t room(const PreparedChat& prompt) const;         // most tokens of an answer to it
  std::size_t most_tokens(const PreparedChat& prompt) const;  // the same, or fewer where they were asked for
  GenerationRequest generation(std::size_t answer) const;
};

// Throws ApiError (prompt_too_long), which says about how many tokens they are, for so many bytes of text that `context`
// tokens cannot hold them: nobody need read them to find out.
void check_bytes(std::size_t bytes, std::size_t context);

// Takes milliseconds for long prompts and new grammars: for any thread but the I/O thread's. Throws what prepare()
// throws, and ApiError (prompt_too_long) for a prompt that leaves no room for an answer.
PreparedAnswers prepare_answers(const ServedModel& model, ApiRequest request, std::string name_space);

// How many tokens the request's prompt has, however long it is. Tools alone count as if an empty message came with
// them.
std::size_t count_prompt_tokens(const ServedModel& model, ApiRequest request);

}  // namespace glimt
