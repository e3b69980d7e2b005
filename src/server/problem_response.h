// An error as a response.
#pragma once

#include "api/problem.h"
#include "server/http_message.h"

#include <string_view>

namespace glimt {

// With Retry-After and x-should-retry, where the problem says something about them.
HttpResponse problem_response(Dialect dialect, const Problem& problem, std::string_view request_id);

Problem make_problem(int status, std::string message, std::string code = {});

}  // namespace glimt
