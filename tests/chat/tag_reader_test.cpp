#include "chat/tag_reader.h"

#include "chat/output_corpus.h"

#include <gmock/gmock.h>

#include <random>

namespace glimt {
namespace {

std::string raw(std::string_view text, bool thinks = false, std::size_t step = 0) {
  return json_of(parse_raw(text, thinks ? thinking() : answering(), step));
}

// An answer without spelled tags means the same as raw text. Where </arg_value> is a tag, what follows decides.
TEST(TagReader, RawTextIsReadAsItsTokensAre) {
  std::size_t compared = 0;
  for (const Case& c : corpus()) {
    if (c.text.find("\\<") != std::string::npos || c.text.find("</arg_value> ") != std::string::npos) continue;
    if (c.text.find("</arg_value><tool_call>") != std::string::npos) continue;
    if (c.text.find("</arg_value>\n<tool_call>") != std::string::npos) continue;
    EXPECT_EQ(raw(c.text, c.thinks), c.json) << c.text;
    ++compared;
  }
  EXPECT_GT(compared, 60U);
}

TEST(TagReader, AValueMayHoldMarkup) {
  const std::string city = "<tool_call>weather<arg_key>city</arg_key><arg_value>";
  const auto with_city = [&](std::string_view value) {
    return parsed("", "", fmt::format(R"([{{"name": "weather", "arguments": {{"city": "{}"}}}}])", value));
  };
  EXPECT_EQ(raw(city + "a</arg_value>b</arg_value></tool_call>"), with_city("a</arg_value>b"));
  EXPECT_EQ(raw(city + "a</arg_value> \n b</arg_value>\n</tool_call>"), with_city("a</arg_value> \\n b"));
  EXPECT_EQ(raw(city + "</arg_value></arg_value></tool_call>"), with_city("</arg_value>"));
  EXPECT_EQ(raw(city + "a</arg_value><arg_value>b</arg_value></tool_call>"), with_city("a</arg_value><arg_value>b"));
  EXPECT_EQ(raw(city + "a</arg_value><tool_call>b</arg_value></tool_call>"), with_city("a</arg_value><tool_call>b"));
  const std::string far = city + "a</arg_value>" + std::string(70000, ' ') + "</tool_call>";
  EXPECT_EQ(parse_raw(far, answering()).content, far) << "white space without end is no border of a value";
}

TEST(TagReader, HalfATagAtTheEndIsText) {
  for (const std::string text :
       {"a <tool_ca", "a </", "<tool_call>get_time</tool_", "<tool_call>weather<arg_key>city</arg_ke",
        "<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_val",
        "<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_value><arg_k"}) {
    EXPECT_EQ(parse_raw(text, answering()).content, text);
    EXPECT_EQ(parse_raw(text, answering()).call_cut, text.starts_with("<tool_call>")) << text;
  }
}

TEST(TagReader, PiecesDoNotDependOnCuts) {
  std::mt19937_64 random(9);
  static const std::vector<std::string> parts = {
      "<tool_call>", "</tool_call>", "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>", "</think>", "<think>",
      "weather",     "city",         " ",         "\n",         "<",           "</arg_",       "é",        "x"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (std::size_t n = random() % 12; n > 0; --n) text += parts[random() % parts.size()];
    const bool thinks = random() % 2 == 0;
    const std::string whole = raw(text, thinks);
    for (const std::size_t step : {1, 2, 3, 5, 8, 13}) ASSERT_EQ(raw(text, thinks, step), whole) << text;
    std::string joined;
    TagReader reader;
    for (const auto& pieces : {reader.feed(text), reader.finish()}) {
      for (const AnswerPiece& piece : pieces)
        joined += piece.text + (piece.tag ? std::string(text_of(*piece.tag)) : "");
    }
    ASSERT_EQ(joined, text);
  }
}

TEST(TagReader, WithoutToolsAnyNameIsACall) {
  OutputRules rules;
  EXPECT_EQ(json_of(parse_raw("<tool_call>f<arg_key>a</arg_key><arg_value>1</arg_value></tool_call>", rules)),
            parsed("", "", R"([{"name": "f", "arguments": {"a": 1}}])"));
}

}  // namespace
}  // namespace glimt
