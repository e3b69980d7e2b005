// Answers to chat completions, whole and streamed.
#include "api/openai_chat_writer.h"

#include "api/answers.h"
#include "api/openai_answer_fields.h"
#include "text/utf8.h"

#include <gmock/gmock.h>

#include <random>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const Events kCallAnswer = Events{thinks("I call"), thinks(" it.")} +
                           calls(0, "get_weather", {"{\"city\": ", "\"Oslo\"}"}) + calls(1, "now", {"{}"});

std::unique_ptr<AnswerWriter> writer(const ChatAnswerForm& form) {
  return chat_completion_writer(scripted_head(), form);
}

std::string streamed(const Events& events, const AnswerSummary& summary = scripted_summary(),
                     ChatAnswerForm form = {}) {
  form.stream = true;
  return written(*writer(form), events, summary);
}

json::object whole(const Events& events, const AnswerSummary& summary = scripted_summary(), ChatAnswerForm form = {}) {
  return parse_json(written(*writer(form), events, summary), "answer").as_object();
}

const json::object& choice_of(const json::object& answer, std::size_t i = 0) {
  return answer.at("choices").as_array().at(i).as_object();
}

std::string text(const json::value& value) { return std::string(value.as_string()); }

// What a client puts together of a stream: each choice's message, and its finish reason.
struct Joined {
  json::object message{{"content", ""}};
  json::value reason;
  int roles = 0;

  void add(const json::object& choice) {
    for (const auto& [key, value] : choice.at("delta").as_object()) {
      if (key == "role") {
        ++roles;
      } else if (key == "tool_calls") {
        for (const json::value& delta : value.as_array()) add_call(delta.as_object());
      } else {
        message[key] = (message.contains(key) ? text(message[key]) : std::string()) + text(value);
      }
    }
    if (!choice.at("finish_reason").is_null()) {
      EXPECT_TRUE(reason.is_null());
      reason = choice.at("finish_reason");
      EXPECT_TRUE(choice.at("delta").as_object().empty());
    }
  }

  void add_call(const json::object& delta) {
    json::array& calls =
        message.contains("tool_calls") ? message["tool_calls"].as_array() : message["tool_calls"].emplace_array();
    const auto index = static_cast<std::size_t>(delta.at("index").as_int64());
    const json::object& function = delta.at("function").as_object();
    if (index == calls.size()) {
      calls.push_back(json::object{{"id", delta.at("id")}, {"type", delta.at("type")}, {"function", function}});
      return;
    }
    EXPECT_FALSE(delta.contains("id") || delta.contains("type") || function.contains("name"));
    json::value& so_far = calls.at(index).at("function").at("arguments");
    so_far = text(so_far) + text(function.at("arguments"));
  }
};

Joined joined(std::string_view stream) {
  Joined all;
  for (const json::object& event : data_of(stream)) {
    if (!event.at("choices").as_array().empty()) all.add(choice_of(event));
  }
  return all;
}

TEST(ChatAnswer, Golden) {
  const AnswerSummary summary = scripted_summary();
  expect_golden("chat_whole.json", written(*writer({}), kCallAnswer, summary) + "\n");
  expect_golden("chat_stream.txt", streamed(kCallAnswer, summary, {.include_usage = true}));
  expect_golden("chat_stream_text.txt", streamed({thinks("So."), says("One "), says("é.")}));
}

TEST(ChatAnswer, WholeOne) {
  const json::object answer = whole({thinks("I think."), says("Hi"), says(".")});
  EXPECT_EQ(answer.at("object"), "chat.completion");
  EXPECT_EQ(answer.at("id"), "chatcmpl-1");
  EXPECT_EQ(answer.at("created"), 1764115200);
  EXPECT_EQ(answer.at("model"), "demo");
  EXPECT_EQ(answer.at("system_fingerprint"), "fp_1");
  EXPECT_EQ(dump_json(choice_of(answer)),
            R"({"index": 0, "message": {"role": "assistant", "content": "Hi.", "refusal": null, )"
            R"("reasoning_content": "I think."}, "logprobs": null, "finish_reason": "stop"})");
  EXPECT_EQ(dump_json(answer.at("usage")),
            R"({"prompt_tokens": 70, "completion_tokens": 19, "total_tokens": 89, )"
            R"("prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 6}})");
}

// Throws if a field is not in the table that /openapi.json shows, is missing, or has another type.
void expect_fits(const json::value& object, const ApiObject& table) {
  std::vector<std::string> ignored;
  EXPECT_NO_THROW(FieldReader(object.as_object(), table, std::string(table.name), UnknownFields::refuse, ignored));
}

TEST(ChatAnswer, FitsItsTables) {
  for (const Events& events : {kCallAnswer, Events{}, Events{says("a")}}) {
    const json::object answer = whole(events, scripted_summary(), {.logprobs = true});
    expect_fits(answer, kChatCompletion);
    expect_fits(choice_of(answer), kChatChoice);
    expect_fits(choice_of(answer).at("message"), kChatAnswerMessage);
    expect_fits(answer.at("usage"), kOpenAiUsage);
  }
}

TEST(ChatAnswer, ContentIsNullOnlyBesideCalls) {
  const json::object empty = whole({});
  EXPECT_EQ(choice_of(empty).at("message").at("content"), "");
  EXPECT_FALSE(choice_of(empty).at("message").as_object().contains("tool_calls"));
  EXPECT_FALSE(choice_of(empty).at("message").as_object().contains("reasoning_content"));
  EXPECT_TRUE(choice_of(whole(kCallAnswer)).at("message").at("content").is_null());
  EXPECT_EQ(choice_of(whole(Events{says("a")} + kCallAnswer)).at("message").at("content"), "a");
}

TEST(ChatAnswer, CallsHaveTheirOwnIds) {
  const json::object answer = whole(kCallAnswer);
  EXPECT_EQ(dump_json(choice_of(answer).at("message").at("tool_calls")),
            R"([{"id": "call_2", "type": "function", "function": {"name": "get_weather", "arguments": )"
            R"("{\"city\": \"Oslo\"}"}}, {"id": "call_3", "type": "function", "function": {"name": "now", )"
            R"("arguments": "{}"}}])");
}

TEST(ChatAnswer, FinishReasons) {
  const auto reason = [](const Events& events, AnswerEnd end) {
    const std::string one = text(choice_of(whole(events, scripted_summary(end))).at("finish_reason"));
    EXPECT_EQ(text(joined(streamed(events, scripted_summary(end))).reason), one);
    return one;
  };
  EXPECT_EQ(reason({says("a")}, AnswerEnd::end_token), "stop");
  EXPECT_EQ(reason({says("a")}, AnswerEnd::stop_string), "stop");
  EXPECT_EQ(reason({says("a")}, AnswerEnd::length), "length");
  EXPECT_EQ(reason({says("a")}, AnswerEnd::repetition), "length");
  EXPECT_EQ(reason(kCallAnswer, AnswerEnd::end_token), "tool_calls");
  EXPECT_EQ(reason(kCallAnswer, AnswerEnd::one_call), "tool_calls");
  EXPECT_EQ(reason(kCallAnswer, AnswerEnd::stop_string), "tool_calls");
  EXPECT_EQ(reason(kCallAnswer, AnswerEnd::length), "length");
}

TEST(ChatAnswer, StreamOrderAndTerminator) {
  const std::string stream = streamed(Events{thinks("t"), says("c")} + kCallAnswer);
  EXPECT_TRUE(stream.ends_with("\n\ndata: [DONE]\n\n"));
  std::vector<std::string> fields;
  for (const json::object& event : data_of(stream)) {
    EXPECT_EQ(event.at("object"), "chat.completion.chunk");
    EXPECT_EQ(event.at("id"), "chatcmpl-1");
    EXPECT_EQ(event.at("created"), 1764115200);
    EXPECT_EQ(event.at("model"), "demo");
    ASSERT_EQ(event.at("choices").as_array().size(), 1U);  // many clients index choices[0]
    EXPECT_FALSE(event.contains("usage"));
    const json::object& choice = choice_of(event);
    EXPECT_EQ(choice.at("index"), 0);
    EXPECT_TRUE(choice.contains("finish_reason"));
    const json::object& delta = choice.at("delta").as_object();
    fields.push_back(delta.empty() ? "end" : std::string(delta.begin()->key()));
  }
  EXPECT_THAT(fields, ElementsAre("role", "reasoning_content", "content", "reasoning_content", "reasoning_content",
                                  "tool_calls", "tool_calls", "tool_calls", "tool_calls", "tool_calls", "end"));
}

TEST(ChatAnswer, TheFirstChunkNeedsNoToken) {
  EXPECT_EQ(writer({.stream = true})->start(),
            "data: {\"id\": \"chatcmpl-1\", \"object\": \"chat.completion.chunk\", \"created\": 1764115200, \"model\": "
            "\"demo\", \"system_fingerprint\": \"fp_1\", \"choices\": [{\"index\": 0, \"delta\": {\"role\": "
            "\"assistant\", \"content\": \"\"}, \"logprobs\": null, \"finish_reason\": null}]}\n\n");
}

TEST(ChatAnswer, ACallIsOpenedAtOnce) {
  const auto stream = writer({.stream = true});
  stream->start();
  EXPECT_THAT(stream->part(0, {ToolCallStart{0, "a"}}),
              HasSubstr(R"("delta": {"tool_calls": [{"index": 0, "id": "call_2", "type": "function", "function": )"
                        R"({"name": "a", "arguments": ""}}]})"));
  EXPECT_THAT(stream->part(0, {ToolCallDelta{0, "{\"b\": "}}),
              HasSubstr(R"("delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{\"b\": "}}]})"));
  EXPECT_EQ(stream->part(0, {ToolCallComplete{0, {"a", {{"b", 1}}}}}), "");
}

TEST(ChatAnswer, NoArgumentsAreAnEmptyObject) {
  const std::string stream = streamed({ToolCallStart{0, "a"}, ToolCallComplete{0, {"a", {}}}});
  EXPECT_EQ(joined(stream).message.at("tool_calls").at(0).at("function").at("arguments"), "{}");
}

TEST(ChatAnswer, UsageOnlyWhereAsked) {
  const std::string stream = streamed({says("a")}, scripted_summary(), {.include_usage = true});
  const std::vector<json::object> events = data_of(stream);
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_TRUE(events[i].at("usage").is_null());
    EXPECT_EQ(events[i].at("choices").as_array().size(), 1U);
  }
  EXPECT_TRUE(events.back().at("choices").as_array().empty());
  EXPECT_EQ(events.back().at("usage"), whole({says("a")}).at("usage"));
  EXPECT_EQ(events.back().at("id"), events.front().at("id"));
  EXPECT_THAT(streamed({says("a")}), Not(HasSubstr("usage")));
}

TEST(ChatAnswer, ACutCallThatWasShownIsLength) {
  const std::string stream =
      streamed({ToolCallStart{0, "a"}, ToolCallDelta{0, "{\"b\": "}, ToolCallCut{0, "<tool_call>a…", true}});
  EXPECT_EQ(joined(stream).reason, "length");
  EXPECT_THAT(stream, Not(HasSubstr("<tool_call>")));
}

TEST(ChatAnswer, ACutCallThatWasNotShownIsText) {
  const Events events = {says("a"), ToolCallCut{0, "<tool_call>b", false}};
  EXPECT_EQ(joined(streamed(events)).message.at("content"), "a<tool_call>b");
  EXPECT_EQ(joined(streamed(events)).reason, "stop");
  EXPECT_EQ(joined(streamed(events, scripted_summary(AnswerEnd::length))).reason, "length");
  EXPECT_EQ(choice_of(whole(events)).at("message").at("content"), "a<tool_call>b");
}

TEST(ChatAnswer, ErrorInTheMiddle) {
  const auto stream = writer({.stream = true});
  EXPECT_EQ(stream->fail({.status = 500, .message = "broke", .param = {}, .code = {}}),
            "data: {\"error\": {\"message\": \"broke\", \"type\": \"server_error\", \"param\": null, \"code\": "
            "\"engine_failed\"}}\n\n");
  EXPECT_THAT(stream->fail({.status = 503, .message = "ends", .param = {}, .code = "overloaded"}),
              HasSubstr(R"("code": "overloaded")"));
}

TEST(ChatAnswer, KeepAliveIsAComment) {
  EXPECT_EQ(writer({.stream = true})->keep_alive().substr(0, 2), ": ");
  EXPECT_TRUE(writer({.stream = true})->keep_alive().ends_with("\n\n"));
  EXPECT_EQ(writer({})->keep_alive(), "");
}

TEST(ChatAnswer, ContentTypes) {
  EXPECT_EQ(writer({.stream = true})->content_type(), "text/event-stream");
  EXPECT_EQ(writer({})->content_type(), "application/json");
}

// ---- several choices ----

std::string two_choices(bool stream) {
  const auto out = writer({.stream = stream, .include_usage = true, .choices = 2});
  std::string all = out->start();
  all += out->part(1, {says("b")});
  all += out->part(0, {says("a")});
  all += out->part(1, {says("B")});
  AnswerSummary first = scripted_summary(), second = scripted_summary(AnswerEnd::length);
  second.reused_tokens = 69;
  second.generated_tokens = 1;
  second.thinking_tokens = 0;
  all += out->end(1, second) + out->end(0, first);
  return all + out->finish();
}

constexpr std::string_view kUsageOfTwo =
    R"({"prompt_tokens": 70, "completion_tokens": 20, "total_tokens": 90, )"
    R"("prompt_tokens_details": {"cached_tokens": 64}, "completion_tokens_details": {"reasoning_tokens": 6}})";

TEST(ChatAnswer, ChoicesInterleave) {
  std::vector<Joined> all(2);
  std::string usage;
  for (const json::object& event : data_of(two_choices(true))) {
    if (event.at("choices").as_array().empty()) {
      usage = dump_json(event.at("usage"));
      continue;
    }
    all[static_cast<std::size_t>(choice_of(event).at("index").as_int64())].add(choice_of(event));
  }
  EXPECT_EQ(all[0].message.at("content"), "a");
  EXPECT_EQ(all[1].message.at("content"), "bB");
  EXPECT_EQ(all[0].reason, "stop");
  EXPECT_EQ(all[1].reason, "length");
  EXPECT_EQ(all[0].roles, 1);
  EXPECT_EQ(all[1].roles, 1);
  EXPECT_EQ(usage, kUsageOfTwo);
}

TEST(ChatAnswer, ChoicesAreInOrder) {
  const json::object answer = parse_json(two_choices(false), "answer").as_object();
  EXPECT_EQ(choice_of(answer, 0).at("message").at("content"), "a");
  EXPECT_EQ(choice_of(answer, 1).at("index"), 1);
  EXPECT_EQ(choice_of(answer, 1).at("message").at("content"), "bB");
  EXPECT_EQ(choice_of(answer, 1).at("finish_reason"), "length");
  EXPECT_EQ(dump_json(answer.at("usage")), kUsageOfTwo);
}

// ---- probabilities ----

AnswerPart with_tokens() {
  return {says("aé"),
          {{.bytes = "a", .logprob = -0.5F, .top = {{"a", -0.5F}, {"\xC3", -INFINITY}}},
           {.bytes = "\xC3", .logprob = -1, .top = {}},
           {.bytes = "\xA9", .logprob = -2, .top = {}}}};
}

constexpr std::string_view kLogprobs =
    R"({"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5, )"
    R"("bytes": [97]}, {"token": "�", "logprob": -9999.0, "bytes": [195]}]}, {"token": "", "logprob": -1.0, "bytes": )"
    R"([195], "top_logprobs": []}, {"token": "é", "logprob": -2.0, "bytes": [169], "top_logprobs": []}], )"
    R"("refusal": null})";

TEST(ChatAnswer, LogprobsOfAWholeOne) {
  const auto out = writer({.logprobs = true});
  out->part(0, {thinks("t")});
  out->part(0, with_tokens());
  out->end(0, scripted_summary());
  const json::object answer = parse_json(out->finish(), "answer").as_object();
  EXPECT_EQ(dump_json(choice_of(answer).at("logprobs")), kLogprobs);
}

TEST(ChatAnswer, LogprobsOfAStreamComeWithTheirText) {
  const auto out = writer({.stream = true, .logprobs = true});
  out->start();
  EXPECT_TRUE(choice_of(data_of(out->part(0, {thinks("t")})).at(0)).at("logprobs").is_null());
  const json::object event = data_of(out->part(0, with_tokens())).at(0);
  EXPECT_EQ(choice_of(event).at("delta").at("content"), "aé");
  EXPECT_EQ(dump_json(choice_of(event).at("logprobs")), kLogprobs);
}

TEST(ChatAnswer, NoLogprobsUnlessAsked) {
  const auto out = writer({.stream = true});
  EXPECT_TRUE(choice_of(data_of(out->part(0, with_tokens())).at(0)).at("logprobs").is_null());
}

// ---- whatever the model writes ----

TEST(ChatAnswer, AnyBytesGiveValidJson) {
  const std::string bytes[] = {"\xFF",
                               "\xC3",
                               "\xA9",
                               "\xF0\x9F",
                               "\xED\xA0\x80",
                               "\xFF"
                               "12",
                               "a",
                               "\"",
                               "\n",
                               ""};
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Events events;
    std::size_t index = 0;
    for (int i = 0; i < 12; ++i) {
      const std::string& some = bytes[random() % std::size(bytes)];
      const unsigned kind = random() % 4;
      if (kind == 0) events.push_back(thinks(some));
      if (kind == 1) events.push_back(says(some));
      if (kind == 2) events.push_back(ToolCallCut{index, some, false});
      if (kind == 3) {
        const json::object arguments{{some, json::value(some)}};
        events = events + Events{ToolCallStart{index, some}, ToolCallDelta{index, dump_json(arguments)},
                                 ToolCallComplete{index, {some, arguments}}};
        ++index;
      }
    }
    const std::string stream = streamed(events);
    EXPECT_FALSE(find_invalid_utf8(stream));
    const std::string one = written(*writer({}), events);
    EXPECT_FALSE(find_invalid_utf8(one));
    const json::object answer = parse_json(one, "answer").as_object();
    const Joined all = joined(stream);
    EXPECT_EQ(all.reason, choice_of(answer).at("finish_reason"));
    if (index == 0) continue;
    EXPECT_EQ(all.message.at("tool_calls").as_array().size(), index);
  }
}

// A string into pieces of 1 to 3 bytes.
std::vector<std::string> pieces(const std::string& text, std::mt19937& random) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < text.size();) {
    all.push_back(text.substr(i, 1 + random() % 3));
    i += all.back().size();
  }
  return all;
}

TEST(ChatAnswer, AnySplitGivesTheSame) {
  const std::string thinking = "Wie? 日本 €", content = "Grüße, 😀!", arguments = "{\"a\": \"é😀\", \"b\": [1, 2]}";
  const Events at_once = Events{thinks(thinking), says(content)} + calls(0, "f", {arguments}) + calls(1, "g", {"{}"});
  json::object expected = choice_of(whole(at_once)).at("message").as_object();
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    Events events;
    for (const std::string& piece : pieces(thinking, random)) events.push_back(thinks(piece));
    for (const std::string& piece : pieces(content, random)) events.push_back(says(piece));
    events = events + calls(0, "f", pieces(arguments, random)) + calls(1, "g", pieces("{}", random));
    const std::string stream = streamed(events);
    for (const json::object& event : data_of(stream)) EXPECT_THAT(dump_json(event), Not(HasSubstr("\uFFFD")));
    Joined all = joined(stream);
    for (const char* field : {"content", "reasoning_content"}) EXPECT_EQ(all.message.at(field), expected.at(field));
    for (std::size_t i : {0, 1}) {
      EXPECT_EQ(all.message.at("tool_calls").at(i).at("function"), expected.at("tool_calls").at(i).at("function"));
    }
    EXPECT_EQ(text(choice_of(whole(events)).at("message").at("content")), content);
  }
}

// ---- how it was made ----

AnswerSummary made_summary() {
  AnswerSummary summary = scripted_summary(AnswerEnd::stop_string);
  summary.stop_string = "END";
  summary.drafted = 8;
  summary.accepted = 6;
  summary.context = 2048;
  summary.queue_seconds = 0.125;
  summary.before_cut = "known";
  summary.behind_cut = "n\xff";
  return summary;
}

constexpr std::string_view kMade =
    R"({"end": "stop_string", "stop_string": "END", "prompt_tokens": 70, "reused_tokens": 64, "generated_tokens": 19, )"
    R"("thinking_tokens": 6, "drafted": 8, "accepted": 6, "context": 2048, "load_seconds": 5E-3, "queue_seconds": 1.25E-1, )"
    R"("prefill_seconds": 2.5E-1, "decode_seconds": 1.5E0, "total_seconds": 2E0, "cut": {"before": "known", "after": "n\ufffd"}})";

TEST(ChatDetails, AreBesideTheUsage) {
  const json::value wanted = parse_json(kMade, "wanted");
  const auto chunks = data_of(streamed({says("Hi")}, made_summary(), {.include_usage = true, .details = true}));
  EXPECT_EQ(chunks.back().at("glimt"), wanted);
  EXPECT_FALSE(chunks.front().contains("glimt"));
  EXPECT_EQ(whole({says("Hi")}, made_summary(), {.details = true}).at("glimt"), wanted);
}

TEST(ChatCompletionStream, TellsWhereItIsToWhoAsks) {
  const auto told = [](const AnswerProgress& progress, bool asks) {
    return writer({.stream = true, .details = asks})->progress(progress);
  };
  using Phase = AnswerProgress::Phase;
  for (const auto& [progress, wanted] : std::initializer_list<std::pair<AnswerProgress, const char*>>{
           {{.phase = Phase::loading, .loaded = 0.4}, R"({"loading": 0.4})"},
           {{.phase = Phase::queued, .place = 3}, R"({"queued": 3})"},
           {{.phase = Phase::prefill, .done = 512, .total = 2048}, R"({"prefill": {"done": 512, "total": 2048}})"}}) {
    const auto chunks = data_of(told(progress, true));
    ASSERT_EQ(chunks.size(), 1U);
    EXPECT_EQ(chunks[0].at("glimt"), parse_json(wanted, "wanted"));
    EXPECT_TRUE(choice_of(chunks[0]).at("delta").as_object().empty());
    EXPECT_EQ(told(progress, false), "");
    EXPECT_EQ(writer({.details = true})->progress(progress), "") << "a whole answer says all at its end";
  }
}

TEST(ChatCompletionStream, HasTheIdThatWasToldBefore) {
  AnswerHead head = scripted_head();
  head.id = "chatcmpl-7";
  const auto stream = chat_completion_writer(head, {.stream = true});
  EXPECT_EQ(data_of(stream->start()).front().at("id").as_string(), "chatcmpl-7");
}

TEST(ChatDetails, OnlyWhereTheyWereAskedFor) {
  EXPECT_THAT(streamed({says("Hi")}, made_summary(), {.include_usage = true}), Not(HasSubstr("glimt\"")));
  EXPECT_FALSE(whole({says("Hi")}, made_summary()).contains("glimt"));
}

TEST(ChatDetails, SayWhyTheAnswerEnded) {
  const auto end_of = [](AnswerEnd end, bool full) {
    AnswerSummary summary = scripted_summary(end);
    summary.context_full = full;
    const json::object answer = whole({says("Hi")}, summary, {.details = true});
    EXPECT_TRUE(answer.at("glimt").at("stop_string").is_null());
    EXPECT_FALSE(answer.at("glimt").as_object().contains("cut"));
    return text(answer.at("glimt").at("end"));
  };
  EXPECT_EQ(end_of(AnswerEnd::end_token, false), "end_token");
  EXPECT_EQ(end_of(AnswerEnd::one_call, false), "one_call");
  EXPECT_EQ(end_of(AnswerEnd::length, false), "length");
  EXPECT_EQ(end_of(AnswerEnd::length, true), "context");
  EXPECT_EQ(end_of(AnswerEnd::repetition, false), "repetition");
}

TEST(ChatDetails, MarkTokensThatWereGuessed) {
  const std::vector<ContentToken> tokens = {{.bytes = "H", .logprob = -1, .top = {}, .id = 7, .guessed = false},
                                            {.bytes = "i", .logprob = -2, .top = {}, .id = 9, .guessed = true}};
  const auto items_of = [&](bool details) {
    const auto out = writer({.stream = true, .logprobs = true, .details = details});
    const json::object chunk = data_of(out->part(0, {ContentDelta{"Hi"}, tokens})).at(0);
    return choice_of(chunk).at("logprobs").at("content").as_array();
  };
  const json::array items = items_of(true);
  EXPECT_EQ(items.at(0).at("id"), 7);
  EXPECT_FALSE(items.at(0).as_object().contains("guessed"));
  EXPECT_EQ(items.at(1).at("guessed"), true);
  EXPECT_FALSE(items_of(false).at(1).as_object().contains("guessed"));
}

}  // namespace
}  // namespace glimt
