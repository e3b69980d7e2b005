// The two halves of ChatPipeline::run: used by themselves they give what run gives, however the answer is cut.
#include "chat/answer_stream.h"

#include "base/throws.h"
#include "chat/output_corpus.h"
#include "chat/script.h"

#include <gmock/gmock.h>

#include <type_traits>

namespace glimt {
namespace {

const ChatResources& resources() {
  static GrammarCache grammars(
      std::make_shared<const GrammarEnvironment>(Script::tokenizer(), Script::tokenizer().vocab_size(),
                                                 std::vector<TokenId>{*Script::tokenizer().token_id("<|user|>")}));
  static const ChatResources all{
      Script::tokenizer(), Script::chat_template(), {7}, []() -> GrammarCache& { return grammars; }};
  return all;
}

// The tools of the corpus, as a request has them.
json::array corpus_tools() {
  return parse_json(R"([{"name": "get_time", "parameters": {"type": "object", "properties": {}}},
    {"name": "weather", "parameters": {"type": "object", "required": ["city"],
      "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "units": {"type": ["string", "null"]},
                     "tags": {"type": "array"}, "where": {"type": "object"}, "exact": {"type": "boolean"}}}},
    {"name": "add", "parameters": {"type": "object", "required": ["a", "b"],
      "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}}])",
                    "tools")
      .as_array();
}

ChatRequest request(bool thinking) {
  ChatRequest request;
  request.messages.push_back({{"role", "user"}, {"content", "Hello"}});
  request.thinking = thinking;
  request.tools = corpus_tools();
  return request;
}

// The same text by tokens of one byte each, where the vocabulary has them.
std::vector<TokenId> small_tokens(std::string_view text) {
  std::vector<TokenId> ids;
  for (const TokenId id : Script::tokens(text)) {
    std::vector<TokenId> bytes;
    for (const char c : Script::tokenizer().piece(id)) {
      const std::optional<TokenId> byte = Script::tokenizer().token_id(std::string_view(&c, 1));
      if (!byte) break;
      bytes.push_back(*byte);
    }
    const bool split = !Script::tokenizer().is_control(id) && bytes.size() == Script::tokenizer().piece(id).size();
    if (!split) bytes = {id};
    ids.insert(ids.end(), bytes.begin(), bytes.end());
  }
  return ids;
}

struct Told {
  std::string events;
  std::string output;
  AnswerEnd end;
  std::string stop_string;
  std::size_t thinking_tokens;
  bool operator==(const Told&) const = default;
};

Told by_run(const ChatRequest& request, const std::vector<TokenId>& tokens) {
  Script script(tokens);
  const ChatPipeline pipeline(Script::tokenizer(), Script::chat_template(), {7}, std::ref(script),
                              resources().grammars);
  Recorder recorder;
  const ChatResult result = pipeline.run(
      request, {.on_prefill = {}, .on_event = [&](const OutputEvent& e) { recorder.add({e}); }, .keep_going = {}});
  return {recorder.text(), json_of(result.output), result.end, result.stop_string, result.thinking_tokens};
}

Told by_halves(const PreparedChat& prepared, const std::vector<TokenId>& tokens, std::size_t max_tokens = 0) {
  AnswerStream answer(Script::tokenizer(), prepared);
  Recorder recorder;
  FinishReason reason = FinishReason::stop;
  for (std::size_t i = 0; i < tokens.size() && !answer.done(); ++i) {
    recorder.add(answer.feed({tokens[i], -0.5F, {}}));
    if (i + 1 == max_tokens) {
      reason = FinishReason::length;
      break;
    }
  }
  recorder.add(answer.finish(reason));
  return {recorder.text(), json_of(recorder.output), answer.end(),
          answer.stop_string() != nullptr ? *answer.stop_string() : "", answer.thinking_tokens()};
}

TEST(AnswerStream, TheHalvesGiveWhatRunGives) {
  for (const Case& c : corpus()) {
    for (const bool streamed : {false, true}) {
      ChatRequest asked = request(c.thinks);
      asked.stream_calls = streamed;
      const std::vector<TokenId> tokens = Script::tokens(c.text);
      const PreparedChat prepared = prepare(resources(), asked);
      const Told whole = by_run(asked, tokens);
      EXPECT_EQ(whole.output, c.json) << c.text;
      EXPECT_EQ(by_halves(prepared, tokens), whole) << c.text;
      const Told small = by_halves(prepared, small_tokens(c.text));
      EXPECT_EQ(small.events, whole.events) << c.text;
      for (std::size_t n = 1; n < tokens.size(); ++n) {
        asked.max_tokens = n;
        const Told cut = by_run(asked, tokens);
        EXPECT_EQ(by_halves(prepared, tokens, n), cut) << c.text << " cut behind " << n;
        EXPECT_EQ(cut.end, AnswerEnd::length);
      }
    }
  }
}

TEST(AnswerStream, TheHalvesAgreeOnStopStrings) {
  for (const Case& c : corpus()) {
    ChatRequest asked = request(c.thinks);
    asked.stop = {"Os", " \n", "b</", "text"};
    const PreparedChat prepared = prepare(resources(), asked);
    const Told whole = by_run(asked, Script::tokens(c.text));
    EXPECT_EQ(by_halves(prepared, Script::tokens(c.text)), whole) << c.text;
    EXPECT_EQ(by_halves(prepared, small_tokens(c.text)).events, whole.events) << c.text;
  }
}

TEST(AnswerStream, IgnoresWhatComesBehindItsEnd) {
  ChatRequest asked = request(false);
  asked.stop = {"b"};
  const PreparedChat prepared = prepare(resources(), asked);
  AnswerStream answer(Script::tokenizer(), prepared);
  Recorder recorder;
  for (const TokenId id : Script::tokens("abc<tool_call>get_time</tool_call>")) recorder.add(answer.feed({id, 0, {}}));
  EXPECT_TRUE(answer.done());
  recorder.add(answer.finish(FinishReason::cancelled));
  EXPECT_EQ(recorder.text(), "C[a]");
  EXPECT_EQ(answer.end(), AnswerEnd::stop_string);
}

TEST(AnswerStream, SaysWhyTheEngineEnded) {
  for (const auto& [reason, end] :
       {std::pair(FinishReason::stop, AnswerEnd::end_token), std::pair(FinishReason::length, AnswerEnd::length),
        std::pair(FinishReason::repetition, AnswerEnd::repetition),
        std::pair(FinishReason::cancelled, AnswerEnd::cancelled)}) {
    AnswerStream answer(Script::tokenizer(), prepare(resources(), request(false)));
    answer.finish(reason);
    EXPECT_EQ(answer.end(), end);
  }
}

TEST(AnswerStream, HalfACharacterAtTheEndIsReplaced) {
  const char byte = '\xE6';
  const std::optional<TokenId> id = Script::tokenizer().token_id(std::string_view(&byte, 1));
  ASSERT_TRUE(id);
  AnswerStream answer(Script::tokenizer(), prepare(resources(), request(false)));
  EXPECT_TRUE(answer.feed({*id, 0, {}}).empty());
  Recorder recorder;
  recorder.add(answer.finish(FinishReason::length));
  EXPECT_EQ(recorder.output.content, "\uFFFD");
}

TEST(AnswerStream, SaysWhereEachTokenBelongs) {
  AnswerStream answer(Script::tokenizer(), prepare(resources(), request(true)));
  std::string sections;
  for (const TokenId id : Script::tokens("a</think>b<tool_call>get_time</tool_call>c")) {
    answer.feed({id, 0, {}});
    sections += "TCX"[static_cast<int>(answer.section())];
  }
  EXPECT_THAT(sections, testing::MatchesRegex("TTCXX+XC"));
}

// ---- prepare ----

TEST(Prepare, SeveralAnswersToOneRequestDifferByTheirSeeds) {
  ChatRequest asked = request(false);
  EXPECT_FALSE(prepare(resources(), asked).generation(3).sampling.seed);
  asked.sampling.seed = 7;
  const PreparedChat prepared = prepare(resources(), asked);
  EXPECT_EQ(prepared.generation().sampling.seed, 7U);
  EXPECT_EQ(prepared.generation(2).sampling.seed, 9U);
  EXPECT_EQ(prepared.generation(2).prompt, prepared.prompt());
}

TEST(Prepare, NobodyElseMakesAPreparedChat) { static_assert(!std::is_default_constructible_v<PreparedChat>); }

TEST(Prepare, RefusesWhatAnAnswerWouldFailOn) {
  ChatRequest asked = request(false);
  asked.stop = {""};
  EXPECT_ERROR(prepare(resources(), asked), ErrorKind::invalid_request, "stop: a stop string is empty");
  asked = request(false);
  asked.messages.clear();
  EXPECT_ERROR(prepare(resources(), asked), ErrorKind::invalid_request, testing::HasSubstr("messages"));
}

TEST(Prepare, AChatOutlivesItsRequest) {
  auto asked = std::make_unique<ChatRequest>(request(false));
  asked->stop = {"b"};
  const PreparedChat prepared = prepare(resources(), *asked);
  asked.reset();
  AnswerStream answer(Script::tokenizer(), prepared);
  for (const TokenId id : Script::tokens("ab")) answer.feed({id, 0, {}});
  EXPECT_TRUE(answer.done());
}

}  // namespace
}  // namespace glimt
