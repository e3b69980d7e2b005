#include "chat/answer_memory.h"

#include "chat/answer_stream.h"
#include "chat/script.h"

#include <gmock/gmock.h>

#include <thread>

namespace glimt {
namespace {

using Tokens = std::vector<TokenId>;
using testing::ElementsAre;
using testing::Optional;

TEST(AnswerMemory, GivesTheTokensOfATextInItsPlace) {
  AnswerMemory memory;
  memory.remember(1, "edit", Tokens{5, 6});
  memory.remember(2, "edit", Tokens{7});
  EXPECT_THAT(memory.find(1, "edit"), Optional(ElementsAre(5, 6)));
  EXPECT_THAT(memory.find(2, "edit"), Optional(ElementsAre(7)));
  EXPECT_EQ(memory.find(3, "edit"), std::nullopt);
  EXPECT_EQ(memory.find(1, "text of the same hash"), std::nullopt);
  memory.remember(1, "edit", Tokens{8});
  EXPECT_THAT(memory.find(1, "edit"), Optional(ElementsAre(8)));
}

TEST(AnswerMemory, ForgetsWhatWasUsedLongestAgo) {
  AnswerMemory memory(4000);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    memory.remember(i, "text", Tokens{static_cast<TokenId>(i)});
    EXPECT_NE(memory.find(0, "text"), std::nullopt) << i;  // used all the time
  }
  EXPECT_NE(memory.find(999, "text"), std::nullopt);
  EXPECT_EQ(memory.find(1, "text"), std::nullopt);
  memory.remember(5000, std::string(5000, 'x'), Tokens{1});
  EXPECT_EQ(memory.find(5000, std::string(5000, 'x')), std::nullopt);  // alone too large
  EXPECT_NE(memory.find(999, "text"), std::nullopt);                   // and nothing went for it
}

TEST(AnswerMemory, IsUsedByManyThreads) {
  AnswerMemory memory(20000);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::uint64_t i = 0; i < 2000; ++i) {
        memory.remember(i % 97, "text", Tokens{static_cast<TokenId>(i % 97)});
        if (const auto found = memory.find(i % 89, "text")) {
          EXPECT_THAT(*found, ElementsAre(static_cast<TokenId>(i % 89)));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

// A conversation whose answers are spelled letter by letter, as no tokenizer would.
class Spelled : public testing::Test {
 protected:
  static Tokens letters(std::string_view text) {
    Tokens tokens;
    for (const char letter : text) tokens.push_back(*Script::tokenizer().token_id(std::string_view(&letter, 1)));
    return tokens;
  }
  static TokenId tag(GlmTag tag) { return *Script::tokenizer().token_id(text_of(tag)); }
  static Tokens joined(std::initializer_list<Tokens> parts) {
    Tokens all;
    for (const Tokens& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  ChatRequest first_turn() const {
    ChatRequest request;
    request.messages.push_back({{"role", "user"}, {"content", "Hello"}});
    request.template_options["clear_thinking"] = false;
    request.tools = parse_json(R"([{"type": "function", "function": {"name": "edit", "parameters": {"type": "object",
        "properties": {"path": {"type": "string"}}}}}])",
                               "tools")
                        .as_array();
    return request;
  }
  // The answer as the next request repeats it.
  ParsedOutput answer(const ChatRequest& request, const Tokens& tokens) const {
    const PreparedChat prepared = prepare(resources_, request);
    AnswerStream stream(Script::tokenizer(), prepared);
    ParsedOutput output;
    for (const TokenId token : tokens) {
      for (const OutputEvent& event : stream.feed({token, 0, {}})) output.add(event);
    }
    for (const OutputEvent& event : stream.finish(FinishReason::stop)) output.add(event);
    return output;
  }
  Tokens prompt(const ChatRequest& request) const { return prepare(resources_, request).prompt(); }

  // That the prompt behind this answer begins with the prompt before and the very tokens of the answer.
  void expect_repeated(const Tokens& tokens) const {
    ChatRequest request = first_turn();
    Tokens known = prompt(request);
    known.insert(known.end(), tokens.begin(), tokens.end());
    request.messages.push_back(to_message(answer(request, tokens)));
    request.messages.push_back({{"role", "user"}, {"content", "Go on."}});
    Tokens next = prompt(request);
    ASSERT_GT(next.size(), known.size());
    next.resize(known.size());
    EXPECT_EQ(next, known);
  }

  std::shared_ptr<AnswerMemory> memory_ = std::make_shared<AnswerMemory>();
  ChatResources resources_{Script::tokenizer(), Script::chat_template(), {}, {}, 2048, memory_};
};

TEST_F(Spelled, AnAnswerComesBackAsItWasWritten) {
  expect_repeated(joined({letters("I think."), {tag(GlmTag::think_end)}, letters("Hello there")}));
}

TEST_F(Spelled, WhiteSpaceThatTheTemplateStripsComesBack) {
  expect_repeated(joined({letters("\n I think.\n"), {tag(GlmTag::think_end)}, letters("\n\nHello there ")}));
  expect_repeated(joined({letters("x"),
                          {tag(GlmTag::think_end)},
                          letters("\n"),
                          {tag(GlmTag::call)},
                          letters("edit"),
                          {tag(GlmTag::call_end)}}));
}

TEST_F(Spelled, CallsComeBackAndTheirValuesKeepTheirWhiteSpace) {
  const auto call = [](std::string_view value) {
    return joined({letters("t"),
                   {tag(GlmTag::think_end), tag(GlmTag::call)},
                   letters("edit"),
                   {tag(GlmTag::key)},
                   letters("path"),
                   {tag(GlmTag::key_end), tag(GlmTag::value)},
                   letters(value),
                   {tag(GlmTag::value_end), tag(GlmTag::call_end)}});
  };
  expect_repeated(call("a.txt"));
  expect_repeated(call(" a.txt\n"));
}

TEST_F(Spelled, AnotherConversationHasItsOwnTokens) {
  const Tokens tokens = joined({letters("I think."), {tag(GlmTag::think_end)}, letters("Hello there")});
  ChatRequest request = first_turn();
  const json::object message = to_message(answer(request, tokens));
  request.messages[0] = {{"role", "user"}, {"content", "Hallo"}};
  request.messages.push_back(message);
  request.messages.push_back({{"role", "user"}, {"content", "Go on."}});
  const Tokens with_memory = prompt(request);
  memory_ = nullptr;
  EXPECT_EQ(with_memory, prepare({Script::tokenizer(), Script::chat_template(), {}, {}, 2048}, request).prompt());
}

TEST_F(Spelled, ChangedTextIsTokenizedAnew) {
  const Tokens tokens = joined({letters("I think."), {tag(GlmTag::think_end)}, letters("Hello there")});
  ChatRequest request = first_turn();
  json::object message = to_message(answer(request, tokens));
  message["content"] = "Hello, there";
  request.messages.push_back(message);
  const Tokens next = prompt(request);
  EXPECT_THAT(Script::tokenizer().decode(next), testing::HasSubstr("I think.</think>Hello, there"));
  const Tokens anew = Script::tokenizer().encode_plain("Hello, there");
  EXPECT_NE(std::search(next.begin(), next.end(), anew.begin(), anew.end()), next.end());
}

}  // namespace
}  // namespace glimt
