#include "api/openai_completions.h"

#include "api/answers.h"
#include "api/api_errors.h"
#include "api/openai_answer_fields.h"
#include "text/utf8.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

ApiRequest parsed(std::string_view body) { return parse_completions(object_of(body), {}).request; }
ApiRequest with(std::string_view more) { return parsed(fmt::format(R"({{"prompt": "a", {}}})", more)); }
Problem problem_with(std::string_view more) {
  return problem_from([&] { with(more); });
}
Problem problem_of_prompt(std::string_view prompt) {
  return problem_from([&] { parsed(fmt::format(R"({{"prompt": {}}})", prompt)); });
}

TEST(CompletionRequest, TheLeastOne) {
  const ApiRequest request = parsed(R"({"prompt": "<think>Once"})");
  EXPECT_THAT(request.prompts, ElementsAre("<think>Once"));
  EXPECT_FALSE(request.raw_controls);
  EXPECT_TRUE(request.chat.messages.empty());
  EXPECT_EQ(request.chat.max_tokens, 16U);
  EXPECT_EQ(request.choices, 1U);
  EXPECT_FALSE(request.stream);
  EXPECT_FALSE(request.sampling.logprobs);
}

TEST(CompletionRequest, SeveralPrompts) {
  EXPECT_THAT(parsed(R"({"prompt": ["a", "b"]})").prompts, ElementsAre("a", "b"));
  EXPECT_EQ(problem_of_prompt("[]").message, "prompt: must not be empty");
  EXPECT_EQ(problem_of_prompt("\"\"").message, "prompt: must not be empty");
  EXPECT_EQ(problem_of_prompt(R"(["a", ""])").message, "prompt[1]: must not be empty");
  EXPECT_EQ(problem_of_prompt("null").message, "prompt: is required");
  EXPECT_EQ(problem_of_prompt("{}").status, 400);
  std::string many = "[\"0\"";
  for (int i = 1; i < 65; ++i) many += ", \"x\"";
  EXPECT_EQ(problem_of_prompt(many + "]").message, "prompt: must have at most 64 entries, got 65");
}

TEST(CompletionRequest, TokenIdsAreNotText) {
  for (const char* prompt : {"[1, 2]", "[[1, 2], [3]]", "[\"a\", 1]"}) {
    const Problem problem = problem_of_prompt(prompt);
    EXPECT_EQ(problem.status, 400);
    EXPECT_THAT(problem.message, HasSubstr("token ids are not supported")) << prompt;
  }
}

TEST(CompletionRequest, FieldsWithEffect) {
  const ApiRequest request = with(
      R"("model": "m", "stream": true, "max_tokens": 5, "n": 2, "stop": ["x"], "seed": 3, "temperature": 0, "top_p": 0.5,
         "top_k": 2, "min_p": 0.5, "typical_p": 0.5, "frequency_penalty": 1, "presence_penalty": 1,
         "repetition_penalty": 2, "logit_bias": {"1": 2}, "logprobs": 3, "stream_options": {"include_usage": true}, "user": "u",
         "echo": false, "best_of": 1, "suffix": null)");
  EXPECT_EQ(request.model, "m");
  EXPECT_TRUE(request.stream);
  EXPECT_EQ(request.chat.max_tokens, 5U);
  EXPECT_EQ(request.choices, 2U);
  EXPECT_THAT(request.chat.stop, ElementsAre("x"));
  const SamplingParams params = request.sampling.over({});
  EXPECT_EQ(params.seed, 3U);
  EXPECT_EQ(params.temperature, 0);
  EXPECT_EQ(params.repeat_penalty, 2);
  EXPECT_EQ(params.logit_bias.at(1), 2);
  EXPECT_TRUE(params.logprobs);
  EXPECT_EQ(params.top_logprobs, 3);
  EXPECT_NO_THROW(params.validate());
}

TEST(CompletionRequest, LogprobsMayBeZero) {
  const ApiRequest request = with(R"("logprobs": 0)");
  EXPECT_TRUE(request.sampling.logprobs);
  EXPECT_EQ(request.sampling.top_logprobs, 0);
  EXPECT_EQ(problem_with(R"("logprobs": 21)").param, "logprobs");
}

TEST(CompletionRequest, WhatIsNotDone) {
  EXPECT_EQ(problem_with(R"("echo": true)").param, "echo");
  EXPECT_EQ(problem_with(R"("best_of": 2)").param, "best_of");
  EXPECT_EQ(problem_with(R"("suffix": "end")").param, "suffix");
  EXPECT_EQ(problem_with(R"("messages": [])").code, "unknown_parameter");
  EXPECT_EQ(problem_with(R"("max_tokens": 0)").param, "max_tokens");
}

TEST(CompletionRequest, AnswersAreBounded) {
  EXPECT_NO_THROW(parsed(R"({"prompt": ["a", "b", "c", "d"], "n": 16})"));
  EXPECT_EQ(problem_from([] { parsed(R"({"prompt": ["a", "b", "c", "d", "e"], "n": 16})"); }).message,
            "n: times the prompts must be at most 64 answers, got 80");
}

// ---- answers ----

std::unique_ptr<AnswerWriter> writer(const CompletionForm& form) { return completion_writer(scripted_head(), form); }

constexpr std::string_view kUsage =
    R"({"prompt_tokens": 70, "completion_tokens": 19, "total_tokens": 89, )"
    R"("prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 6}})";

TEST(CompletionAnswer, WholeOne) {
  EXPECT_EQ(
      written(*writer({}), {says("a"), says("b")}),
      R"({"id": "cmpl-1", "object": "text_completion", "created": 1764115200, "model": "demo", )"
      R"("system_fingerprint": "fp_1", "choices": [{"index": 0, "text": "ab", "logprobs": null, "finish_reason": )"
      R"("stop"}], "usage": )" +
          std::string(kUsage) + "}");
}

TEST(CompletionAnswer, FitsItsTables) {
  const json::object answer = parse_json(written(*writer({.logprobs = true}), {says("a")}), "answer").as_object();
  std::vector<std::string> ignored;
  EXPECT_NO_THROW(FieldReader(answer, kTextCompletion, {}, UnknownFields::refuse, ignored));
  const json::object& choice = answer.at("choices").at(0).as_object();
  EXPECT_NO_THROW(FieldReader(choice, kTextChoice, {}, UnknownFields::refuse, ignored));
}

TEST(CompletionAnswer, Streamed) {
  const std::string stream = written(*writer({.stream = true, .include_usage = true}), {says("a"), says("")},
                                     scripted_summary(AnswerEnd::length));
  EXPECT_TRUE(stream.ends_with("\n\ndata: [DONE]\n\n"));
  EXPECT_TRUE(stream.starts_with(": "));
  const std::vector<json::object> events = data_of(stream);
  ASSERT_EQ(events.size(), 3U);
  for (const json::object& event : events) EXPECT_EQ(event.at("object"), "text_completion");
  EXPECT_EQ(dump_json(events[0].at("choices")),
            R"([{"index": 0, "text": "a", "logprobs": null, "finish_reason": null}])");
  EXPECT_EQ(dump_json(events[1].at("choices")),
            R"([{"index": 0, "text": "", "logprobs": null, "finish_reason": "length"}])");
  EXPECT_TRUE(events[0].at("usage").is_null());
  EXPECT_TRUE(events[2].at("choices").as_array().empty());
  EXPECT_EQ(dump_json(events[2].at("usage")), kUsage);
  EXPECT_EQ(data_of(written(*writer({.stream = true}), {says("a")})).size(), 2U);
}

TEST(CompletionAnswer, AllTextIsContent) {
  const Events events = {thinks("a"), says("b"), ToolCallCut{0, "<tool_call>", false}};
  EXPECT_THAT(written(*writer({}), events), HasSubstr(R"("text": "ab<tool_call>")"));
  std::string text;
  for (const json::object& event : data_of(written(*writer({.stream = true}), events))) {
    text += std::string(event.at("choices").at(0).at("text").as_string());
  }
  EXPECT_EQ(text, "ab<tool_call>");
}

TEST(CompletionAnswer, ChoicesOfEachPromptTogether) {
  const auto out = writer({.choices_a_prompt = 2, .prompts = 2});
  out->start();
  for (std::size_t i : {3, 1, 2, 0}) {
    out->part(i, {says(std::to_string(i))});
    AnswerSummary summary = scripted_summary();
    summary.reused_tokens = i;  // of the prompts' first choices 0 and 2
    summary.generated_tokens = 10;
    out->end(i, summary);
  }
  const json::object answer = parse_json(out->finish(), "answer").as_object();
  ASSERT_EQ(answer.at("choices").as_array().size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(answer.at("choices").at(i).at("text"), json::value(std::to_string(i)));
    EXPECT_EQ(answer.at("choices").at(i).at("index"), json::value(i));
  }
  EXPECT_EQ(answer.at("usage").at("completion_tokens"), 40);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 70);
  EXPECT_EQ(answer.at("usage").at("prompt_tokens_details").at("cached_tokens"), 2);
}

AnswerPart part(std::string text, std::vector<ContentToken> tokens) {
  return {says(std::move(text)), std::move(tokens)};
}

TEST(CompletionAnswer, Logprobs) {
  const AnswerPart first = part("aé", {{.bytes = "a", .logprob = -0.5F, .top = {{"a", -0.5F}, {"b", -2}}},
                                       {.bytes = "é", .logprob = -1, .top = {}}});
  const AnswerPart second = part("c", {{.bytes = "c", .logprob = -INFINITY, .top = {}}});
  const auto whole = writer({.logprobs = true});
  whole->part(0, first);
  whole->part(0, second);
  whole->end(0, scripted_summary());
  EXPECT_EQ(dump_json(parse_json(whole->finish(), "answer").at("choices").at(0).at("logprobs")),
            R"({"tokens": ["a", "é", "c"], "token_logprobs": [-0.5, -1.0, -9999.0], "top_logprobs": )"
            R"([{"a": -0.5, "b": -2.0}, {}, {}], "text_offset": [0, 1, 2]})");
  const auto stream = writer({.stream = true, .logprobs = true});
  stream->part(0, first);
  EXPECT_EQ(dump_json(data_of(stream->part(0, second)).at(0).at("choices").at(0).at("logprobs")),
            R"({"tokens": ["c"], "token_logprobs": [-9999.0], "top_logprobs": [{}], "text_offset": [2]})");
}

TEST(CompletionAnswer, AnyBytesGiveValidJson) {
  const Events events = {says("\xC3"), says("\xA9\xFF"), says("\xF0\x9F")};
  std::string joined;
  for (const json::object& event : data_of(written(*writer({.stream = true}), events))) {
    joined += std::string(event.at("choices").at(0).at("text").as_string());
  }
  EXPECT_EQ(joined, "é\uFFFD\uFFFD");
  EXPECT_EQ(parse_json(written(*writer({}), events), "answer").at("choices").at(0).at("text"),
            json::value("é\uFFFD\uFFFD"));
}

TEST(CompletionAnswer, ErrorInTheMiddle) {
  EXPECT_EQ(writer({.stream = true})->fail({.status = 500, .message = "broke", .param = {}, .code = {}}),
            "data: {\"error\": {\"message\": \"broke\", \"type\": \"server_error\", \"param\": null, \"code\": "
            "\"engine_failed\"}}\n\n");
}

}  // namespace
}  // namespace glimt
