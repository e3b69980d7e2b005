#include "api/problem.h"

#include <new>

namespace glimt {
namespace {

constexpr int kRetrySeconds = 1;

Problem failed(bool may_retry) {
  Problem problem;
  problem.message = "the server failed to answer; its log says why";
  problem.may_retry = may_retry;
  return problem;
}

Problem busy(std::string message) {
  Problem problem{.status = 503, .message = std::move(message), .param = {}, .code = "overloaded"};
  problem.retry_after = kRetrySeconds;
  return problem;
}

// "messages[2].content" of "messages[2].content: must be …"; empty if the message does not begin with a field's path.
std::string param_of(std::string_view message) {
  const std::size_t colon = message.find(": ");
  if (colon == message.npos || colon == 0 || message[0] < 'a' || message[0] > 'z') return {};
  const std::string_view path = message.substr(0, colon);
  const bool is_path = path.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]$-") ==
                       std::string_view::npos;
  return is_path ? std::string(path) : std::string();
}

Problem problem_of(const Error& error) {
  const std::string message = error.what();
  switch (error.kind()) {
    case ErrorKind::invalid_request: return {.status = 400, .message = message, .param = param_of(message), .code = {}};
    case ErrorKind::unsupported:
      return {.status = 400, .message = message, .param = param_of(message), .code = "unsupported_value"};
    case ErrorKind::not_found: return {.status = 404, .message = message, .param = {}, .code = "model_not_found"};
    case ErrorKind::overloaded:
    case ErrorKind::out_of_memory: return busy(message);
    case ErrorKind::timeout: return {.status = 504, .message = message, .param = {}, .code = "timeout"};
    case ErrorKind::bad_file:
    case ErrorKind::internal: return failed(false);  // the same files, the same numbers: it would fail again
    case ErrorKind::cancelled: break;
  }
  return failed(true);
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value() : json::value(text); }

}  // namespace

Problem problem_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const ApiError& api) {
    return api.problem();
  } catch (const Error& known) {
    return problem_of(known);
  } catch (const std::bad_alloc&) {
    return busy("out of memory");
  } catch (...) {
    return failed(true);
  }
}

Problem prompt_too_long(std::size_t tokens, std::size_t context) {
  return {.status = 400,
          .message = fmt::format("prompt is too long: {} tokens > {} maximum", tokens, context),
          .param = {},
          .code = "context_length_exceeded"};
}

Problem model_not_found(std::string_view name) {
  constexpr std::size_t kShownBytes = 200;
  return {.status = 404,
          .message = fmt::format("model '{}' not found", name.substr(0, kShownBytes)),
          .param = "model",
          .code = "model_not_found"};
}

json::object problem_body(Dialect dialect, const Problem& problem, std::string_view request_id) {
  if (dialect == Dialect::ollama) return {{"error", problem.message}};
  if (dialect == Dialect::anthropic) {
    return {{"type", "error"},
            {"error", {{"type", anthropic_error_type(problem.status)}, {"message", problem.message}}},
            {"request_id", request_id}};
  }
  return {{"error",
           {{"message", problem.message},
            {"type", openai_error_type(problem.status)},
            {"param", text_or_null(problem.param)},
            {"code", text_or_null(problem.code)}}}};
}

std::string_view openai_error_type(int status) {
  if (status == 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

std::string_view anthropic_error_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503:
    case 529: return "overloaded_error";
    case 504: return "timeout_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace glimt
