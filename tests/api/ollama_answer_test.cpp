// What Ollama's clients read: whole answers, and lines.
#include "api/ollama_answer.h"
#include "api/api_errors.h"
#include "api/ollama_chat.h"
#include "api/scripted_answer.h"
#include "text/utf8.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::HasSubstr;

constexpr auto kChat = OllamaForm::Endpoint::chat;
constexpr auto kGenerate = OllamaForm::Endpoint::generate;

std::string text_of(OllamaForm::Endpoint endpoint, bool stream, const ScriptedAnswer& answer) {
  const auto writer = ollama_writer({.endpoint = endpoint, .stream = stream}, scripted_head());
  return written(*writer, answer);
}

// Every line is one object with model, created_at and done, and only the last one is done.
std::vector<json::object> lines_of(std::string_view text) {
  std::vector<json::object> lines;
  EXPECT_FALSE(find_invalid_utf8(text));
  EXPECT_TRUE(text.ends_with('\n'));
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    lines.push_back(object_of(text.substr(0, end)));
    EXPECT_EQ(lines.back().at("model").as_string(), "demo");
    EXPECT_EQ(lines.back().at("created_at").as_string(), "2026-11-26T01:02:03.123456789Z");
    EXPECT_EQ(lines.back().at("done").as_bool(), end + 1 == text.size());
    text.remove_prefix(end + 1);
  }
  return lines;
}

void append(json::object& sum, const json::object& said) {
  for (const std::string_view field : {"content", "response", "thinking"}) {
    if (!said.contains(field)) continue;
    if (!sum.contains(field)) sum[field] = "";
    sum[field].as_string() += said.at(field).as_string();
  }
  if (!said.contains("tool_calls")) return;
  if (!sum.contains("tool_calls")) sum["tool_calls"] = json::array();
  for (const json::value& call : said.at("tool_calls").as_array()) sum["tool_calls"].as_array().push_back(call);
}

// What a client makes of the lines: the fields of the whole answer.
json::object joined(const std::vector<json::object>& lines) {
  json::object sum;
  json::object message;
  json::array tokens;
  for (const json::object& line : lines) {
    sum = line;
    EXPECT_TRUE(line.contains("response") || line.at("message").at("content").is_string());
    append(message, line.contains("message") ? line.at("message").as_object() : line);
    if (line.contains("logprobs")) {
      for (const json::value& token : line.at("logprobs").as_array()) tokens.push_back(token);
    }
  }
  json::object& target = sum.contains("message") ? sum["message"].as_object() : sum;
  for (const auto& [key, value] : message) target[key] = value;
  if (!tokens.empty()) sum["logprobs"] = tokens;
  return sum;
}

TEST(OllamaAnswer, IsOneObject) {
  const auto writer = ollama_writer({.endpoint = kChat, .stream = false}, scripted_head());
  EXPECT_EQ(writer->content_type(), "application/json");
  EXPECT_EQ(writer->keep_alive(), "");
  expect_golden("ollama_chat.json", written(*writer, weather_answer()));
}

TEST(OllamaAnswer, IsLines) {
  const auto writer = ollama_writer({.endpoint = kChat, .stream = true}, scripted_head());
  EXPECT_EQ(writer->content_type(), "application/x-ndjson");
  expect_golden("ollama_chat.ndjson", written(*writer, weather_answer()));
}

TEST(OllamaAnswer, OfGenerateHasResponseInPlaceOfTheMessage) {
  ScriptedAnswer answer = weather_answer();
  answer.parts.resize(4);
  expect_golden("ollama_generate.json", text_of(kGenerate, false, answer));
  expect_golden("ollama_generate.ndjson", text_of(kGenerate, true, answer));
}

TEST(OllamaAnswer, IsTheSameStreamedOrWholeHoweverItIsCut) {
  for (const auto endpoint : {kChat, kGenerate}) {
    ScriptedAnswer answer = weather_answer();
    answer.parts.push_back({ToolCallCut{1, "<tool_call>f", false}});
    const json::object whole = object_of(text_of(endpoint, false, answer));
    for (const std::size_t bytes : {1, 2, 3, 7, 100}) {
      const ScriptedAnswer cut{cut_parts(answer.parts, bytes), answer.summary};
      EXPECT_EQ(joined(lines_of(text_of(endpoint, true, cut))), whole) << bytes;
      EXPECT_EQ(object_of(text_of(endpoint, false, cut)), whole) << bytes;
    }
  }
}

TEST(OllamaAnswer, HasOnlyWhatIsThere) {
  const json::object empty = object_of(text_of(kChat, false, {{}, scripted_summary()}));
  EXPECT_EQ(dump_json(empty.at("message")), R"({"role": "assistant", "content": ""})");
  EXPECT_FALSE(empty.contains("logprobs"));
  EXPECT_EQ(lines_of(text_of(kChat, true, {{{ContentDelta{""}}}, scripted_summary()})).size(), 1U);
}

TEST(OllamaAnswer, CallsAreNumbered) {
  std::vector<AnswerPart> parts = call_parts(0, "f", {{"n", big_integer("123456789012345678901234567890")}});
  for (AnswerPart& part : call_parts(2, "g", {})) parts.push_back(std::move(part));
  const std::string text = text_of(kChat, false, {parts, scripted_summary()});
  EXPECT_THAT(text, HasSubstr(R"("tool_calls": [{"id": "call_1", "function": {"index": 0, "name": "f", )"
                              R"("arguments": {"n": 123456789012345678901234567890}}}, )"
                              R"({"id": "call_2", "function": {"index": 1, "name": "g", "arguments": {}}}])"));
}

TEST(OllamaAnswer, SaysWhatEndedIt) {
  const auto reason = [](AnswerEnd end, std::vector<AnswerPart> parts = {{ContentDelta{"x"}}}) {
    return std::string(
        object_of(text_of(kChat, false, {std::move(parts), scripted_summary(end)})).at("done_reason").as_string());
  };
  EXPECT_EQ(reason(AnswerEnd::end_token), "stop");
  EXPECT_EQ(reason(AnswerEnd::stop_string), "stop");
  EXPECT_EQ(reason(AnswerEnd::one_call), "stop");
  EXPECT_EQ(reason(AnswerEnd::length), "length");
  EXPECT_EQ(reason(AnswerEnd::repetition), "length");
  EXPECT_EQ(reason(AnswerEnd::end_token, call_parts(0, "f", {})), "stop");
  EXPECT_EQ(reason(AnswerEnd::end_token, {{ToolCallCut{0, "x", false}}}), "stop");
  EXPECT_EQ(reason(AnswerEnd::length, {{ToolCallCut{0, "x", false}}}), "length");
}

TEST(OllamaAnswer, TellsTimesInNanoseconds) {
  const json::object answer = object_of(text_of(kChat, false, weather_answer()));
  EXPECT_EQ(answer.at("total_duration").as_int64(), 2'000'000'000);
  EXPECT_EQ(answer.at("load_duration").as_int64(), 5'000'000);
  EXPECT_EQ(answer.at("prompt_eval_count").to_number<int>(), 70);
  EXPECT_EQ(answer.at("prompt_eval_duration").as_int64(), 250'000'000);
  EXPECT_EQ(answer.at("eval_count").to_number<int>(), 19);
  EXPECT_EQ(answer.at("eval_duration").as_int64(), 1'500'000'000);
}

TEST(OllamaAnswer, ShowsProbabilities) {
  // The first token is a part of a character, which the second completes.
  const std::vector<AnswerPart> parts{{ContentDelta{"\xC3"}, {{"\xC3", -0.5F, {{"\xC3", -0.5F}, {"b", -1}}}}},
                                      {ContentDelta{"\xA5"}, {{"\xA5", -0.25F, {}}}}};
  const std::vector<json::object> lines = lines_of(text_of(kChat, true, {parts, scripted_summary()}));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].at("message").at("content").as_string(), "å");
  EXPECT_EQ(dump_json(lines[0].at("logprobs")),
            R"([{"token": "", "logprob": -0.5, "bytes": [195], "top_logprobs": [{"token": "�", "logprob": -0.5, )"
            R"("bytes": [195]}, {"token": "b", "logprob": -1.0, "bytes": [98]}]}, )"
            R"({"token": "å", "logprob": -0.25, "bytes": [165], "top_logprobs": []}])");
  EXPECT_EQ(joined(lines), object_of(text_of(kChat, false, {parts, scripted_summary()})));
}

TEST(OllamaAnswer, IsUtf8WhateverTheModelWrites) {
  const std::string bad = "a\xC3\xFF\xE2\x82";
  ScriptedAnswer answer{{{ThinkingDelta{bad}},
                         {ContentDelta{"\xFF"
                                       "12" +
                                       bad}}},
                        scripted_summary()};
  for (AnswerPart& part : call_parts(0, bad, {{bad, bad}})) answer.parts.push_back(std::move(part));
  const json::object message = joined(lines_of(text_of(kChat, true, answer))).at("message").as_object();
  EXPECT_EQ(message.at("content").as_string(), "\uFFFD12a\uFFFD\uFFFD\uFFFD");  // also what is cut at the end
  EXPECT_EQ(message.at("thinking").as_string(), "a\uFFFD\uFFFD\uFFFD");
  EXPECT_FALSE(find_invalid_utf8(text_of(kChat, false, answer)));
}

TEST(OllamaAnswer, StaysAliveWithEmptyDeltas) {
  const auto chat = ollama_writer({.endpoint = kChat, .stream = true}, scripted_head());
  EXPECT_EQ(chat->keep_alive(), R"({"model": "demo", "created_at": "2026-11-26T01:02:03.123456789Z", )"
                                R"("message": {"role": "assistant", "content": ""}, "done": false})"
                                "\n");
  const auto generate = ollama_writer({.endpoint = kGenerate, .stream = true}, scripted_head());
  EXPECT_THAT(generate->keep_alive(), HasSubstr(R"("response": "", "done": false)"));
}

TEST(OllamaAnswer, FailsWithALine) {
  const auto writer = ollama_writer({.endpoint = kChat, .stream = true}, scripted_head());
  Problem problem;
  problem.message = "the engine failed";
  EXPECT_EQ(writer->fail(problem), "{\"error\": \"the engine failed\"}\n");
}

TEST(OllamaAnswer, ToALoadIsOneLine) {
  const auto answer = [](bool generate, std::string_view fields) {
    const json::object body = object_of(fmt::format(R"({{"model": "demo"{}}})", fields));
    const ParsedRequest parsed = generate ? parse_ollama_generate(body, {}) : parse_ollama_chat(body, {});
    const auto writer = parsed.make_writer(scripted_head());
    return writer->start() + writer->finish();
  };
  const std::string head = R"({"model": "demo", "created_at": "2026-11-26T01:02:03.123456789Z", )";
  EXPECT_EQ(answer(false, ""),
            head + R"("message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "load"})"
                   "\n");
  EXPECT_EQ(answer(true, R"(, "keep_alive": 0, "stream": false)"),
            head + R"("response": "", "done": true, "done_reason": "unload"})");
  EXPECT_THAT(answer(true, R"(, "keep_alive": "5m")"), HasSubstr(R"("done_reason": "load")"));
}

}  // namespace
}  // namespace glimt
