// Two models in one process, as a server holds them.
#include "serving/chat_model.h"

#include "base/throws.h"

#include <gmock/gmock.h>

#include <thread>

namespace glimt {
namespace {

const std::string kDemo = std::string(GLIMT_SOURCE_DIR) + "/models/demo";

ChatModel small_model() {
  EngineOptions options;
  options.cache_memory = std::size_t{8} << 20;
  options.huge_pages = false;
  return load_chat_model(kDemo, options);
}

ChatResult ask(const ChatModel& model, std::string_view question, OutputConstraint constraint = {}) {
  ChatRequest request;
  request.messages.push_back({{"role", "user"}, {"content", question}});
  request.thinking = false;
  request.sampling.temperature = 0;
  request.max_tokens = 24;
  request.constraint = std::move(constraint);
  return model.pipeline().run(request, {});
}

TEST(ChatModelTest, TwoAtOnceAnswerAsOneAlone) {
  const std::string hello = ask(small_model(), "Hello").output.content;
  const ChatModel a = small_model();
  const ChatModel b = small_model();
  std::string from_a, json_from_b;
  std::thread first([&] { from_a = ask(a, "Hello").output.content; });
  std::thread second([&] { json_from_b = ask(b, "Hello", RegexOutput{"[a-c]{3}"}).output.content; });
  first.join();
  second.join();
  EXPECT_EQ(from_a, hello);
  EXPECT_THAT(json_from_b, testing::MatchesRegex("[abc][abc][abc]"));
  EXPECT_TRUE(b.grammars->cache.has_value());
  EXPECT_FALSE(a.grammars->cache.has_value());  // each has its own, made when it is needed
}

TEST(ChatModelTest, OneGoesWhileTheOtherStays) {
  const ChatModel stays = small_model();
  const std::string before = ask(stays, "Hello").output.content;
  ask(small_model(), "Count");
  EXPECT_EQ(ask(stays, "Hello").output.content, before);
  EXPECT_GT(stays.engine->metrics().blocks, 0U);
}

TEST(ChatModelTest, APromptFarBeyondTheContextIsNotRead) {
  const ChatModel model = small_model();
  const std::string text(16 * (model.engine->info().context + 1), 'x');
  EXPECT_ERROR(ask(model, text), ErrorKind::invalid_request, testing::HasSubstr("far more than a context of"));
}

TEST(ChatModelTest, SaysWhatItCannotLoad) {
  EXPECT_ERROR(load_chat_model("no-such-model", {}), ErrorKind::not_found, testing::HasSubstr("no-such-model"));
}

}  // namespace
}  // namespace glimt
