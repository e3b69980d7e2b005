#include "cli/repl.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

TEST(Conversation, RoundTrip) {
  ChatSettings settings;
  settings.system = "Be kind.";
  settings.thinking = false;
  settings.tools = parse_json(R"([{"type": "function", "function": {"name": "f"}}])", "t").as_array();
  const json::array messages =
      parse_json(R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello",
      "reasoning_content": "hm", "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {}}}]},
      {"role": "tool", "content": "ok"}])",
                 "m")
          .as_array();
  const json::object saved = conversation_to_json(settings, messages);
  EXPECT_EQ(saved.at("messages").as_array().size(), 4U);

  ChatSettings other;
  json::array loaded;
  conversation_from_json(saved, "file", other, loaded);
  EXPECT_EQ(loaded, messages);
  EXPECT_EQ(other.system, "Be kind.");
  EXPECT_FALSE(other.thinking);
  EXPECT_EQ(other.tools, settings.tools);
}

TEST(Conversation, BadFilesChangeNothing) {
  for (const char* text : {"[]", "{}", R"({"messages": 1})", R"({"messages": [1]})",
                           R"({"messages": [{"content": "x"}]})", R"({"messages": [{"role": 5}]})",
                           R"({"messages": [], "tools": [{}]})", R"({"messages": [], "enable_thinking": "yes"})",
                           R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})"}) {
    ChatSettings settings;
    settings.system = "old";
    json::array messages = {1};
    EXPECT_THROW(conversation_from_json(parse_json(text, "t"), "file", settings, messages), Error) << text;
    EXPECT_EQ(settings.system, "old");
    EXPECT_EQ(messages.size(), 1U);
  }
}

TEST(Conversation, ASystemMessageInPartsIsOneToo) {
  ChatSettings settings;
  json::array messages;
  conversation_from_json(
      parse_json(R"({"messages": [{"role": "system", "content": [{"type": "text", "text": "x"}]}]})", "t"), "file",
      settings, messages);
  EXPECT_EQ(settings.system, "x");
  EXPECT_EQ(messages.size(), 0U);
}

}  // namespace
}  // namespace glimt
