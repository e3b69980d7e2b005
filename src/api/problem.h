// What went wrong with a request, as HTTP and every dialect tell it. The status decides which exception a client's SDK
// throws.
#pragma once

#include "base/error.h"
#include "base/json.h"

#include <exception>
#include <string>
#include <string_view>

namespace glimt {

enum class Dialect { openai, anthropic, ollama };

struct Problem {
  int status = 500;
  std::string message;
  std::string param;      // the field at fault, as a path: "messages[2].content"; empty if it is none
  std::string code;       // OpenAI's: "context_length_exceeded", "model_not_found", …; empty: null
  int retry_after = 0;    // seconds after which the same may work; 0: nothing is said
  bool may_retry = true;  // false: the same request would only fail again (x-should-retry)
};

// An error that knows more than its kind.
class ApiError : public Error {
 public:
  ApiError(ErrorKind kind, Problem problem) : Error(kind, problem.message), problem_(std::move(problem)) {}
  const Problem& problem() const { return problem_; }

 private:
  Problem problem_;
};

// By kind: invalid_request and unsupported 400, not_found 404, overloaded and out_of_memory 503, timeout 504, all other
// exceptions 500, whose messages say nothing of the program's inside. A message "field: …" names its param.
Problem problem_of(const std::exception_ptr& error);

// Prompt and answer do not fit. In Anthropic's dialect clients read both numbers out of the text, so it is the same in
// all: "prompt is too long: 41452 tokens > 32768 maximum".
Problem prompt_too_long(std::size_t tokens, std::size_t context);

// "model 'foo' not found", 404.
Problem model_not_found(std::string_view name);

// The body of an error's response, and of the event that ends a broken stream.
//   OpenAI     {"error": {"message", "type", "param", "code"}}
//   Anthropic  {"type": "error", "error": {"type", "message"}, "request_id"}
//   Ollama     {"error": message}
json::object problem_body(Dialect dialect, const Problem& problem, std::string_view request_id);

// The words for a status: openai_error_type(503) is "server_error", anthropic_error_type(503) "overloaded_error".
std::string_view openai_error_type(int status);
std::string_view anthropic_error_type(int status);

}  // namespace glimt
