// From a request to the engine's, and from its tokens to those that a client is shown.
#include "server/access_log.h"
#include "server/prepare_answers.h"
#include "server/scripted_model.h"
#include "server/shown_tokens.h"

#include "base/throws.h"
#include "chat/script.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ScriptedModel& model() {
  static ScriptedModel model("demo", [] {
    ScriptOptions options;
    options.answer = [](std::string_view) { return std::string("Yes."); };
    options.context = 400;
    return options;
  }());
  return model;
}

ApiRequest chat(std::initializer_list<std::pair<const char*, std::string>> messages) {
  ApiRequest request;
  for (const auto& [role, content] : messages) request.chat.messages.push_back({{"role", role}, {"content", content}});
  return request;
}

std::string prompt_of(const PreparedAnswers& answers, std::size_t i = 0) {
  return Script::tokenizer().decode(answers.prompts[i].prompt());
}

TEST(PrepareAnswers, ClampsToTheContext) {
  ApiRequest request = chat({{"user", "Hello"}});
  request.choices = 3;
  request.chat.max_tokens = 100'000;
  request.sampling.seed = 5;
  const PreparedAnswers answers = prepare_answers(model(), request, "ann");
  EXPECT_EQ(answers.size(), 3U);
  const GenerationRequest second = answers.generation(1);
  EXPECT_EQ(second.max_tokens, 400 - answers.prompt_tokens);
  EXPECT_EQ(second.sampling.seed, 6U);
  EXPECT_EQ(second.name_space, "ann");
  request.context = 50;
  EXPECT_EQ(prepare_answers(model(), request, "").generation(0).max_tokens, 50 - answers.prompt_tokens);
}

TEST(PrepareAnswers, NamesBothNumbersOfAPromptThatIsTooLong) {
  for (const std::size_t words : {500U, 100'000U}) {
    std::string text;
    for (std::size_t i = 0; i < words; ++i) text += "word ";
    try {
      prepare_answers(model(), chat({{"user", text}}), "");
      ADD_FAILURE();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.problem().status, 400);
      EXPECT_THAT(error.problem().message, testing::MatchesRegex("prompt is too long: [0-9]+ tokens > 400 maximum"));
    }
  }
}

TEST(PrepareAnswers, DropsTheOldestMessages) {
  ApiRequest request = chat({{"system", "Be brief."}});
  for (int i = 0; i < 40; ++i) {
    request.chat.messages.push_back(
        {{"role", "user"}, {"content", "question " + std::to_string(i) + " and more words"}});
    request.chat.messages.push_back({{"role", "assistant"}, {"content", "answer " + std::to_string(i)}});
  }
  request.chat.messages.push_back({{"role", "user"}, {"content", "the last one"}});
  EXPECT_THROW(prepare_answers(model(), request, ""), ApiError);
  request.drop_oldest = true;
  const PreparedAnswers answers = prepare_answers(model(), request, "");
  EXPECT_THAT(prompt_of(answers), HasSubstr("Be brief."));
  EXPECT_THAT(prompt_of(answers), HasSubstr("the last one"));
  EXPECT_THAT(prompt_of(answers), HasSubstr("answer 39"));
  EXPECT_THAT(prompt_of(answers), Not(HasSubstr("question 0 ")));
  EXPECT_GT(answers.prompt_tokens, 300U);  // as many as fit
  request.chat.messages.back() = {{"role", "user"}, {"content", std::string(5000, 'x')}};
  EXPECT_THROW(prepare_answers(model(), request, ""), ApiError);
}

TEST(PrepareAnswers, GoesOnFromTheBeginningOfAnAnswer) {
  ApiRequest request = chat({{"user", "Hello"}, {"assistant", "<think>{\"city\":"}});
  request.continues_answer = true;
  const PreparedAnswers answers = prepare_answers(model(), request, "");
  EXPECT_THAT(prompt_of(answers), testing::EndsWith("</think><think>{\"city\":"));
  const std::vector<TokenId>& prompt = answers.prompts.front().prompt();
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), *Script::tokenizer().token_id("<think>")), 0);
  EXPECT_FALSE(answers.prompts.front().output().starts_thinking);
  request = chat({{"user", "Hello"}});
  request.chat.messages.push_back({{"role", "assistant"}, {"content", json::array{}}});
  request.continues_answer = true;
  EXPECT_ERROR(prepare_answers(model(), request, ""), ErrorKind::invalid_request, HasSubstr("messages"));
}

TEST(PrepareAnswers, GoesOnBehindTheThinkingThatWasThere) {
  ApiRequest request = chat({{"user", "Hello"}});
  request.chat.messages.push_back({{"role", "assistant"}, {"reasoning_content", "Hm</think>."}, {"content", "It is"}});
  request.continues_answer = true;
  const PreparedAnswers answers = prepare_answers(model(), request, "");
  EXPECT_THAT(prompt_of(answers), testing::EndsWith("<think>Hm</think>.</think>It is"));
  EXPECT_FALSE(answers.prompts.front().output().starts_thinking);
  const std::vector<TokenId>& prompt = answers.prompts.front().prompt();
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), *Script::tokenizer().token_id("</think>")), 1);
}

TEST(PrepareAnswers, GoesOnInsideOfTheThinking) {
  ApiRequest request = chat({{"user", "Hello"}});
  request.chat.messages.push_back({{"role", "assistant"}, {"reasoning_content", "Hm, "}, {"content", ""}});
  request.continues_answer = true;
  const PreparedAnswers answers = prepare_answers(model(), request, "");
  EXPECT_THAT(prompt_of(answers), testing::EndsWith("<think>Hm, "));
  EXPECT_TRUE(answers.prompts.front().output().starts_thinking);
}

TEST(PrepareAnswers, PromptsWithoutATemplateAreLiteral) {
  ApiRequest request;
  request.prompts = {"a <|user|>", "b"};
  request.choices = 2;
  const PreparedAnswers answers = prepare_answers(model(), request, "");
  EXPECT_EQ(answers.size(), 4U);
  EXPECT_EQ(&answers.prompt_of(1), &answers.prompts[0]);
  EXPECT_EQ(&answers.prompt_of(2), &answers.prompts[1]);
  EXPECT_EQ(prompt_of(answers), "a <|user|>");
  EXPECT_EQ(answers.prompts[0].prompt(), Script::tokenizer().encode_plain("a <|user|>"));
  request.raw_controls = true;
  EXPECT_EQ(prepare_answers(model(), request, "").prompts[0].prompt(), Script::tokenizer().encode_raw("a <|user|>"));
}

TEST(PrepareAnswers, CountsLongPromptsToo) {
  EXPECT_GT(count_prompt_tokens(model(), chat({{"user", std::string(5000, 'x')}})), 400U);
  EXPECT_GT(count_prompt_tokens(model(), {}), 0U);
}

// ---- shown tokens ----

TokenEvent event(TokenId id) { return {id, -1, {}}; }

std::vector<std::string> bytes_of(const std::vector<ContentToken>& tokens) {
  std::vector<std::string> all;
  for (const ContentToken& token : tokens) all.push_back(token.bytes);
  return all;
}

TokenId byte(char c) { return *Script::tokenizer().token_id(std::string_view(&c, 1)); }

class ShownTokensTest : public testing::Test {
 protected:
  void push(std::string_view text) {
    for (const char c : text) tokens.push(event(byte(c)));
  }
  ShownTokens tokens{Script::tokenizer()};
};

TEST_F(ShownTokensTest, OfAWholeText) {
  push("abc");
  EXPECT_THAT(bytes_of(tokens.take("abc")), ElementsAre("a", "b", "c"));
  EXPECT_TRUE(tokens.finish().empty());
}

TEST_F(ShownTokensTest, WaitForTheTextThatTheyAreIn) {
  tokens.push(event(Script::tokenizer().encode_plain("Hello").front()));
  EXPECT_TRUE(tokens.take("").empty());
  EXPECT_TRUE(tokens.take("H").empty());
  const std::string piece(Script::tokenizer().piece(Script::tokenizer().encode_plain("Hello").front()));
  EXPECT_THAT(bytes_of(tokens.take(std::string_view(piece).substr(1))), ElementsAre(piece));
}

TEST_F(ShownTokensTest, LeaveOutWhatIsNotShown) {
  push(" \n ab");
  EXPECT_THAT(bytes_of(tokens.take("ab")), ElementsAre("a", "b"));
}

TEST_F(ShownTokensTest, OfATokenThatIsCutKeepWhatWasShown) {
  tokens.push(event(Script::tokenizer().encode_plain("Hello").front()));
  EXPECT_TRUE(tokens.take("H").empty());
  EXPECT_THAT(bytes_of(tokens.finish()), ElementsAre("H"));
}

TEST_F(ShownTokensTest, AreTheTextAlsoWhereItIsNoCharacter) {
  push(
      "a\xff"
      "b\xe6\x97");
  std::string joined;
  for (const std::string& bytes : bytes_of(tokens.take("a\uFFFDb\uFFFD"))) joined += bytes;
  for (const std::string& bytes : bytes_of(tokens.finish())) joined += bytes;
  EXPECT_EQ(joined, "a\uFFFDb\uFFFD");
}

TEST_F(ShownTokensTest, OfACharacterOfSeveralTokens) {
  push("\xe2\x82\xac!");
  EXPECT_THAT(bytes_of(tokens.take("€!")), ElementsAre("\xe2", "\x82", "\xac", "!"));
}

// ---- log ----

TEST(AccessLog, ALineIsOneLine) {
  AccessRecord record;
  record.request_id = "req_1";
  record.method = "GET";
  record.path = "/a\nb\x1b[31m\xff\"" + std::string(1000, 'x');
  record.model = "m\r\n";
  const std::string line = log_line(record);
  EXPECT_THAT(line, HasSubstr("/a?b?[31m??xx"));
  EXPECT_LT(line.size(), 500U);
  for (const char c : line) EXPECT_TRUE(c >= ' ' && c <= '~');
  EXPECT_EQ(parse_json(log_json(record), "log").at("path").as_string().size(), 256U);
}

}  // namespace
}  // namespace glimt
