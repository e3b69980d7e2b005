#include "chat/embedding.h"

#include "base/throws.h"
#include "chat/script.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

ChatResources resources(std::size_t context) { return {Script::tokenizer(), Script::chat_template(), {}, {}, context}; }

std::string text_of(const GenerationRequest& request) { return Script::tokenizer().decode(request.prompt); }

TEST(EmbeddingRequest, TheTextIsLiteral) {
  const GenerationRequest request = embedding_request(resources(100), "a <|user|> b");
  EXPECT_TRUE(request.embed);
  EXPECT_EQ(text_of(request), "a <|user|> b");
  EXPECT_EQ(request.prompt, Script::tokenizer().encode_plain("a <|user|> b"));  // no control token, no template
}

TEST(EmbeddingRequest, AnEmptyTextHasNoVector) {
  EXPECT_ERROR(embedding_request(resources(100), ""), ErrorKind::invalid_request, HasSubstr("input"));
}

TEST(EmbeddingRequest, ALongTextIsRefusedOrCut) {
  const std::string text = "one two three four five six seven eight nine ten";
  const std::size_t length = Script::tokenizer().encode_plain(text).size();
  EXPECT_EQ(embedding_request(resources(length), text).prompt.size(), length);
  EXPECT_ERROR(embedding_request(resources(length - 1), text), ErrorKind::invalid_request,
               AllOf(HasSubstr(std::to_string(length) + " tokens"), HasSubstr(std::to_string(length - 1))));
  EXPECT_EQ(embedding_request(resources(5), text, true).prompt.size(), 5U);
  EXPECT_EQ(embedding_request(resources(500), text, true, 3).prompt.size(), 3U);
  EXPECT_EQ(embedding_request(resources(4), text, true, 300).prompt.size(), 4U);
}

TEST(EmbeddingRequest, AHugeTextIsNotReadToItsEnd) {
  std::string text;
  for (int i = 0; i < 500'000; ++i) text += "äöü€ ";
  EXPECT_ERROR(embedding_request(resources(10), text), ErrorKind::invalid_request, HasSubstr("far more"));
  for (const std::size_t context : {1U, 2U, 3U, 4U, 5U}) {
    const GenerationRequest request = embedding_request(resources(context), text, true);
    EXPECT_EQ(request.prompt.size(), context);
    EXPECT_EQ(request.prompt.front(), Script::tokenizer().encode_plain(text.substr(0, 64)).front());
  }
}

TEST(Shortened, HasLengthOneAgain) {
  EXPECT_THAT(shortened({0.6F, 0.0F, 0.8F}, 3), ElementsAre(FloatNear(0.6F, 1e-6), 0, FloatNear(0.8F, 1e-6)));
  EXPECT_THAT(shortened({0.3F, 0.4F, 0.8F}, 2), ElementsAre(FloatNear(0.6F, 1e-6), FloatNear(0.8F, 1e-6)));
  EXPECT_ERROR(shortened({1, 0}, 3), ErrorKind::invalid_request, HasSubstr("between 1 and 2, got 3"));
  EXPECT_ERROR(shortened({1, 0}, 0), ErrorKind::invalid_request, HasSubstr("got 0"));
  EXPECT_ERROR(shortened({0, 1}, 1), ErrorKind::invalid_request, HasSubstr("all 0"));
}

}  // namespace
}  // namespace glimt
