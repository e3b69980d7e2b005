// An answer ends where GLM's next turn would begin, whatever a converter left in the configuration.
#include "text/end_tokens.h"

#include "text/text_data.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using test::data_folder;
using testing::ElementsAre;
using testing::UnorderedElementsAre;

TEST(EndTokens, AreTheConfiguredOnesAndThoseOfTheTurns) {
  const Tokenizer tokenizer(data_folder());
  const TokenId user = *tokenizer.token_id("<|user|>"), observation = *tokenizer.token_id("<|observation|>"),
                end = *tokenizer.token_id("<|endoftext|>");
  const int vocabulary = static_cast<int>(tokenizer.vocab_size());
  EXPECT_THAT(end_tokens(tokenizer, {end}, vocabulary), UnorderedElementsAre(end, user, observation));
  EXPECT_THAT(end_tokens(tokenizer, {}, vocabulary), UnorderedElementsAre(end, user, observation));
  EXPECT_THAT(end_tokens(tokenizer, {7, user, end, observation}, vocabulary), ElementsAre(7, user, end, observation));
}

TEST(EndTokens, ThatTheModelCannotWriteAreLeftOut) {
  const Tokenizer tokenizer(data_folder());
  EXPECT_THAT(end_tokens(tokenizer, {3}, 10), ElementsAre(3));
}

TEST(EndTokens, OfATokenizerWithoutGlmsTurnsAreTheConfiguredOnes) {
  json::object file = parse_json_file(data_folder() / "tokenizer.json").get_object();
  for (json::value& token : file["added_tokens"].as_array()) {
    const json::string& text = token.as_object()["content"].as_string();
    if (text == "<|user|>" || text == "<|observation|>" || text == "<|endoftext|>") {
      token.as_object()["content"] = "[" + std::string(text) + "]";
    }
  }
  const Tokenizer tokenizer = Tokenizer::from_json(json::serialize(file), "t.json");
  EXPECT_THAT(end_tokens(tokenizer, {5}, 1 << 20), ElementsAre(5));
}

}  // namespace
}  // namespace glimt
