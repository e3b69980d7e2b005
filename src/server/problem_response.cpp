#include "server/problem_response.h"

#include "api/wire.h"

#include <utility>

namespace glimt {

HttpResponse problem_response(Dialect dialect, const Problem& problem, std::string_view request_id) {
  HttpResponse response;
  response.status = problem.status;
  response.body = wire_json(problem_body(dialect, problem, request_id));
  const int retry_after = problem.retry_after == 0 && problem.status == 503 ? 1 : problem.retry_after;
  if (retry_after > 0) response.fields.emplace_back("Retry-After", std::to_string(retry_after));
  if (!problem.may_retry) response.fields.emplace_back("x-should-retry", "false");
  if (problem.status == 401) response.fields.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

Problem make_problem(int status, std::string message, std::string code) {
  Problem problem;
  problem.status = status;
  problem.message = std::move(message);
  problem.code = std::move(code);
  return problem;
}

}  // namespace glimt
