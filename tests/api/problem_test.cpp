#include "api/problem.h"

#include "api/api_errors.h"

#include <gmock/gmock.h>

#include <new>
#include <stdexcept>

namespace glimt {
namespace {

using testing::HasSubstr;
using testing::Not;

Problem of(ErrorKind kind, const std::string& message) {
  return problem_from([&] { throw Error(kind, message); });
}

TEST(Problem, TheKindDecidesTheStatus) {
  EXPECT_EQ(of(ErrorKind::invalid_request, "x").status, 400);
  EXPECT_EQ(of(ErrorKind::unsupported, "x").status, 400);
  EXPECT_EQ(of(ErrorKind::not_found, "x").status, 404);
  EXPECT_EQ(of(ErrorKind::overloaded, "x").status, 503);
  EXPECT_EQ(of(ErrorKind::out_of_memory, "x").status, 503);
  EXPECT_EQ(of(ErrorKind::timeout, "x").status, 504);
  EXPECT_EQ(of(ErrorKind::internal, "x").status, 500);
  EXPECT_EQ(of(ErrorKind::bad_file, "x").status, 500);
  EXPECT_EQ(of(ErrorKind::cancelled, "x").status, 500);
  EXPECT_EQ(problem_from([] { throw std::runtime_error("x"); }).status, 500);
  EXPECT_EQ(problem_from([] { throw 7; }).status, 500);
  EXPECT_EQ(problem_from([] { throw std::bad_alloc(); }).status, 503);
}

TEST(Problem, TheKindDecidesTheCode) {
  EXPECT_EQ(of(ErrorKind::invalid_request, "x").code, "");
  EXPECT_EQ(of(ErrorKind::unsupported, "x").code, "unsupported_value");
  EXPECT_EQ(of(ErrorKind::not_found, "x").code, "model_not_found");
  EXPECT_EQ(of(ErrorKind::overloaded, "x").code, "overloaded");
  EXPECT_EQ(of(ErrorKind::timeout, "x").code, "timeout");
  EXPECT_EQ(of(ErrorKind::internal, "x").code, "");
}

TEST(Problem, WhatTheClientCanMendIsSaidAndTheInsideIsNot) {
  for (const ErrorKind kind : {ErrorKind::invalid_request, ErrorKind::unsupported, ErrorKind::not_found,
                               ErrorKind::overloaded, ErrorKind::out_of_memory, ErrorKind::timeout}) {
    EXPECT_EQ(of(kind, "the words").message, "the words");
  }
  for (const ErrorKind kind : {ErrorKind::internal, ErrorKind::bad_file, ErrorKind::cancelled}) {
    EXPECT_THAT(of(kind, "/secret/path").message, Not(HasSubstr("secret")));
  }
  EXPECT_THAT(problem_from([] { throw std::runtime_error("/secret"); }).message, Not(HasSubstr("secret")));
}

TEST(Problem, SaysWhetherToComeAgain) {
  EXPECT_GT(of(ErrorKind::overloaded, "x").retry_after, 0);
  EXPECT_TRUE(of(ErrorKind::overloaded, "x").may_retry);
  EXPECT_EQ(of(ErrorKind::invalid_request, "x").retry_after, 0);
  EXPECT_FALSE(of(ErrorKind::internal, "NaN").may_retry);
  EXPECT_FALSE(of(ErrorKind::bad_file, "x").may_retry);
  EXPECT_TRUE(problem_from([] { throw std::runtime_error("x"); }).may_retry);
}

TEST(Problem, AMessageThatBeginsWithAFieldNamesIt) {
  EXPECT_EQ(of(ErrorKind::invalid_request, "n: must be 1").param, "n");
  EXPECT_EQ(of(ErrorKind::invalid_request, "messages[2].content: must be text").param, "messages[2].content");
  EXPECT_EQ(of(ErrorKind::invalid_request, "no field at all").param, "");
  EXPECT_EQ(of(ErrorKind::invalid_request, "the model said: no").param, "");
  EXPECT_EQ(of(ErrorKind::invalid_request, ": empty").param, "");
  EXPECT_EQ(of(ErrorKind::not_found, "foo: not there").param, "");
}

TEST(Problem, AnApiErrorIsToldAsItIs) {
  const Problem problem = problem_from([] {
    throw ApiError(ErrorKind::overloaded, {.status = 429, .message = "m", .param = "p", .code = "c", .retry_after = 3});
  });
  EXPECT_EQ(problem.status, 429);
  EXPECT_EQ(problem.message, "m");
  EXPECT_EQ(problem.param, "p");
  EXPECT_EQ(problem.code, "c");
  EXPECT_EQ(problem.retry_after, 3);
}

// Claude Code reads both numbers of this text.
TEST(Problem, PromptTooLong) {
  const Problem problem = prompt_too_long(41452, 32768);
  EXPECT_EQ(problem.message, "prompt is too long: 41452 tokens > 32768 maximum");
  EXPECT_EQ(problem.code, "context_length_exceeded");
  EXPECT_EQ(problem.status, 400);
}

TEST(Problem, ModelNotFound) {
  const Problem problem = model_not_found("foo");
  EXPECT_EQ(problem.status, 404);
  EXPECT_EQ(problem.message, "model 'foo' not found");
  EXPECT_EQ(problem.code, "model_not_found");
  EXPECT_LT(model_not_found(std::string(100000, 'x')).message.size(), 300U);
}

TEST(ProblemBody, InEachDialect) {
  const Problem problem{.status = 400, .message = "n: no", .param = "n", .code = {}};
  EXPECT_EQ(dump_json(problem_body(Dialect::openai, problem, "req_1")),
            R"({"error": {"message": "n: no", "type": "invalid_request_error", "param": "n", "code": null}})");
  EXPECT_EQ(
      dump_json(problem_body(Dialect::anthropic, problem, "req_1")),
      R"({"type": "error", "error": {"type": "invalid_request_error", "message": "n: no"}, "request_id": "req_1"})");
  EXPECT_EQ(dump_json(problem_body(Dialect::ollama, problem, "req_1")), R"({"error": "n: no"})");
}

TEST(ProblemBody, ACodeWithoutAField) {
  const Problem problem{.status = 503, .message = "full", .param = {}, .code = "overloaded"};
  EXPECT_EQ(dump_json(problem_body(Dialect::openai, problem, "")),
            R"({"error": {"message": "full", "type": "server_error", "param": null, "code": "overloaded"}})");
}

TEST(ProblemWords, OfOpenAI) {
  for (const int status : {400, 401, 403, 404, 405, 413, 415}) {
    EXPECT_EQ(openai_error_type(status), "invalid_request_error") << status;
  }
  EXPECT_EQ(openai_error_type(429), "rate_limit_error");
  for (const int status : {500, 501, 503, 504}) EXPECT_EQ(openai_error_type(status), "server_error") << status;
}

TEST(ProblemWords, OfAnthropic) {
  const std::pair<int, std::string_view> words[] = {{400, "invalid_request_error"},
                                                    {401, "authentication_error"},
                                                    {403, "permission_error"},
                                                    {404, "not_found_error"},
                                                    {405, "invalid_request_error"},
                                                    {413, "request_too_large"},
                                                    {429, "rate_limit_error"},
                                                    {500, "api_error"},
                                                    {501, "api_error"},
                                                    {503, "overloaded_error"},
                                                    {504, "timeout_error"},
                                                    {529, "overloaded_error"}};
  for (const auto& [status, word] : words) EXPECT_EQ(anthropic_error_type(status), word) << status;
}

}  // namespace
}  // namespace glimt
