// What an answer means: a corpus with the wanted results, read by the parser and by the oracle.
#include "chat/output_parser.h"

#include "base/throws.h"
#include "chat/output_corpus.h"
#include "chat/output_oracle.h"

#include <gmock/gmock.h>

#include <random>

namespace glimt {
namespace {

TEST(OutputParser, Corpus) {
  for (const Case& c : corpus()) EXPECT_EQ(json_of(run(c.rules(), symbols(c.text)).output), c.json) << c.text;
}

TEST(OutputParser, TheOracleAgreesWithTheCorpus) {
  for (const Case& c : corpus()) {
    const OutputRules rules = c.rules();
    EXPECT_EQ(json_of(OutputOracle(rules, symbols(c.text)).run()), c.json) << c.text;
  }
}

// For each tag: where the control token has a meaning, the spelled one is text.
TEST(OutputParser, ASpelledTagIsText) {
  const std::string call = "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>";
  for (const std::string& answer : {"so " + call, "hm</think>" + call}) {
    ASSERT_EQ(run(thinking(), symbols(answer)).output.tool_calls.size(), 1U);
    for (const std::string_view tag : kGlmTags) {
      const std::size_t at = answer.find(tag);
      if (at == std::string::npos) continue;
      const ParsedOutput output = run(thinking(), symbols(std::string(answer).insert(at, 1, '\\'))).output;
      EXPECT_NE(json_of(output).find(tag), std::string::npos) << tag << " is gone";
      EXPECT_EQ(output.thinking.find("</think>") != std::string::npos, tag == "</think>") << output.thinking;
      if (tag == "</think>" || tag == "</arg_key>") continue;  // the call is one without them, too
      EXPECT_TRUE(output.tool_calls.empty()) << tag;
    }
  }
  EXPECT_EQ(json_of(run(answering(), symbols("\\<think>a\\</think>b")).output), parsed("", "<think>a</think>b", "[]"));
  EXPECT_EQ(json_of(run(answering(), symbols("<think>a\\</think>b")).output), parsed("a</think>b", "", "[]"));
}

TEST(OutputParser, WithoutToolsNothingIsACall) {
  OutputRules rules = thinking();
  rules.calls.banned = true;
  const std::string text = "Write <tool_call>search</tool_call> to \\<tool_call>search</tool_call> it.";
  const std::string shown = "Write <tool_call>search</tool_call> to <tool_call>search</tool_call> it.";
  EXPECT_EQ(json_of(run(rules, symbols(text + "</think>" + text)).output), parsed(shown, shown, "[]"));
}

TEST(OutputParser, OnlyTheToolsThatMayBeCalledAre) {
  OutputRules rules = answering();
  rules.calls.allowed = {"get_time", "add"};
  const std::string now = R"([{"name": "get_time", "arguments": {}}])";
  EXPECT_EQ(json_of(run(rules, symbols("<tool_call>get_time</tool_call>")).output), parsed("", "", now));
  for (const std::string name : {"weather", "unknown_tool"}) {
    const std::string call = "<tool_call>" + name + "</tool_call>";
    EXPECT_EQ(json_of(run(rules, symbols(call)).output), parsed("", call, "[]"));
  }
  const std::string loose = R"(<tool_call>{"name": "weather", "arguments": {"city": "Oslo"}}</tool_call>)";
  EXPECT_EQ(run(rules, symbols(loose)).output.content, loose);
}

TEST(OutputParser, OneCallEndsTheAnswerWhereNoMoreMayCome) {
  OutputRules rules = answering();
  rules.calls.parallel = false;
  const std::string now = R"([{"name": "get_time", "arguments": {}}])";
  const std::string text = "a<tool_call>get_time</tool_call>b<tool_call>get_time</tool_call>c";
  EXPECT_EQ(json_of(run(rules, symbols(text)).output), parsed("", "a", now));
  OutputParser parser(rules);
  feed(parser, symbols("a<tool_call>get_time"));
  EXPECT_FALSE(parser.done());
  feed(parser, symbols("</tool_call>"));
  EXPECT_TRUE(parser.done());
  EXPECT_EQ(parser.stop_string(), nullptr);
}

// Tag soup: whatever a confused model may write, and much that none will.
std::string soup(std::mt19937_64& random) {
  static const std::vector<std::string> pieces = {
      "<think>",
      "</think>",
      "<tool_call>",
      "</tool_call>",
      "<arg_key>",
      "</arg_key>",
      "<arg_value>",
      "</arg_value>",
      "\\<tool_call>",
      "\\</tool_call>",
      "\\</think>",
      "\\</arg_value>",
      "<tool_call>get_time</tool_call>",
      "<tool_call>weather<arg_key>city</arg_key><arg_value>",
      "</arg_value></tool_call>",
      "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>b</arg_key>",
      "<tool_call>add a=1 b=2",
      "<tool_call>{\"name\": \"add\"}",
      "get_time",
      "weather",
      "city",
      "a",
      "b",
      "1",
      "null",
      " ",
      "\n",
      "  \n",
      "<",
      "</",
      "text",
      "STOP",
      "ST",
      "OP",
      "é",
      "[1]"};
  std::string text;
  for (std::size_t n = random() % 14; n > 0; --n) text += pieces[random() % pieces.size()];
  return symbols(text);
}

OutputRules any_rules(std::mt19937_64& random) {
  OutputRules rules = random() % 2 == 0 ? thinking() : answering();
  rules.calls.banned = random() % 8 == 0;
  rules.calls.parallel = random() % 8 != 0;
  rules.calls.streamed = random() % 2 == 0;
  if (random() % 8 == 0) rules.calls.allowed = {"get_time", "add"};
  if (random() % 3 == 0) rules.stop = {"STOP", "\n", "OP<"};
  rules.stop_in_thinking = random() % 2 == 0;
  return rules;
}

TEST(OutputParser, EqualsTheOracleOnTagSoup) {
  std::mt19937_64 random(20261124);
  std::size_t calls = 0;
  std::size_t cut = 0;
  for (int round = 0; round < 60000; ++round) {
    const std::string text = soup(random);
    OutputRules rules = any_rules(random);
    const Recorder whole = run(rules, text);
    const std::string wanted = json_of(OutputOracle(rules, text).run());
    ASSERT_EQ(json_of(whole.output), wanted) << (rules.starts_thinking ? "T " : "A ") << text;
    calls += whole.output.tool_calls.size();
    cut += whole.output.call_cut ? 1 : 0;
    std::vector<std::size_t> cuts;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (random() % 3 == 0) cuts.push_back(i);
    }
    ASSERT_EQ(run(rules, text, cuts).text(), whole.text()) << text;
    rules.calls.streamed = !rules.calls.streamed;
    ASSERT_EQ(json_of(run(rules, text, cuts).output), wanted) << text;
  }
  EXPECT_GT(calls, 5000U);
  EXPECT_GT(cut, 5000U);
}

TEST(OutputParser, EventsDoNotDependOnCuts) {
  std::mt19937_64 random(11);
  for (const Case& c : corpus()) {
    const std::string text = symbols(c.text);
    for (OutputRules rules : {thinking(), answering()}) {
      for (const bool streamed : {false, true}) {
        rules.calls.streamed = streamed;
        const std::string whole = run(rules, text).text();
        std::vector<std::size_t> every;
        for (std::size_t i = 0; i <= text.size(); ++i) {
          every.push_back(i);
          for (std::size_t j = i; j <= text.size(); ++j) {
            ASSERT_EQ(run(rules, text, {i, j}).text(), whole) << c.text << " cut at " << i << " and " << j;
          }
        }
        ASSERT_EQ(run(rules, text, every).text(), whole) << c.text << " byte by byte";
        for (int round = 0; round < 20; ++round) {
          std::vector<std::size_t> cuts;
          for (std::size_t i = 0; i <= text.size(); ++i) {
            if (random() % 4 == 0) cuts.push_back(i);
          }
          ASSERT_EQ(run(rules, text, cuts).text(), whole) << c.text;
        }
      }
    }
  }
}

TEST(OutputParser, NothingIsLostWithoutCalls) {
  std::mt19937_64 random(5);
  int checked = 0;
  for (int round = 0; round < 60000; ++round) {
    const std::string text = soup(random);
    const ParsedOutput output = run(answering(), text).output;
    if (!output.tool_calls.empty() || has(text, GlmTag::think) || has(text, GlmTag::think_end)) continue;
    ++checked;
    ASSERT_EQ(output.content, written(text));
  }
  EXPECT_GT(checked, 5000);
}

TEST(OutputParser, AnyBytesAreFine) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 2000; ++round) {
    std::string text = soup(random);
    for (std::size_t n = random() % 8; n > 0 && !text.empty(); --n)
      text[random() % text.size()] = static_cast<char>(random());
    std::vector<std::size_t> every;
    for (std::size_t i = 0; i < text.size(); ++i) every.push_back(i);
    OutputRules rules = any_rules(random);
    ASSERT_EQ(run(rules, text, every, false).text(), run(rules, text, {}, false).text());
  }
}

}  // namespace
}  // namespace glimt
