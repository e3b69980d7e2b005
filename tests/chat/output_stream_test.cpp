// When the parser tells what: at once, held back, or taken for text at last; stop strings; limits.
#include "base/sanitized.h"
#include "base/throws.h"
#include "chat/output_corpus.h"
#include "text/cpu_time.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

OutputRules streaming() {
  OutputRules rules = answering();
  rules.calls.streamed = true;
  return rules;
}

std::string events(const OutputRules& rules, std::string_view written) { return run(rules, symbols(written)).text(); }

TEST(OutputStream, TellsTextAtOnce) {
  OutputParser parser(thinking());
  EXPECT_EQ(std::get<ThinkingDelta>(parser.feed("I see ").at(0)).text, "I see");
  EXPECT_EQ(std::get<ThinkingDelta>(parser.feed("it").at(0)).text, " it");
  EXPECT_TRUE(parser.feed(GlmTag::think_end).empty());
  EXPECT_EQ(std::get<ContentDelta>(parser.feed(" Yes").at(0)).text, "Yes");
  EXPECT_EQ(std::get<ContentDelta>(parser.feed(" <tool").at(0)).text, " <tool");  // text that only spells the beginning
}

TEST(OutputStream, HoldsACallUntilItIsComplete) {
  OutputParser parser(answering());
  EXPECT_TRUE(feed(parser, symbols("<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value>")).empty());
  Recorder recorder;
  recorder.add(parser.feed(GlmTag::call_end));
  EXPECT_EQ(recorder.text(), R"(start(0, weather)J[{"city": "Oslo"}]complete(0, weather, {"city": "Oslo"}))");
}

// The name as soon as it is certain, strings while they are written, other values when they are known.
TEST(OutputStream, TellsACallWhileItIsWrittenIfAskedTo) {
  OutputParser parser(streaming());
  const auto told = [&](std::string_view written) {
    std::string text;
    for (const OutputEvent& event : feed(parser, symbols(written))) {
      if (const auto* start = std::get_if<ToolCallStart>(&event)) text += "start " + start->name;
      if (const auto* delta = std::get_if<ToolCallDelta>(&event)) text += delta->json;
      if (std::holds_alternative<ToolCallComplete>(event)) text += "!";
    }
    return text;
  };
  EXPECT_EQ(told("<tool_call>weat"), "");
  EXPECT_EQ(told("her"), "");
  EXPECT_EQ(told("<arg_key>"), "start weather");
  EXPECT_EQ(told("ci"), "");
  EXPECT_EQ(told("ty</arg_key>"), "");
  EXPECT_EQ(told("<arg_value>"), R"({"city": ")");
  EXPECT_EQ(told("Os\"l\n"), R"(Os\"l\n)");
  EXPECT_EQ(told("ö</arg_value>"), "ö\"");
  EXPECT_EQ(told("<arg_key>days</arg_key><arg_value>1"), "");  // an integer, or a wrong text
  EXPECT_EQ(told("2</arg_value>"), R"(, "days": 12)");
  EXPECT_EQ(told("<arg_key>units</arg_key><arg_value>nu"), "");  // a string, or null
  EXPECT_EQ(told("ll</arg_value>"), R"(, "units": null)");
  EXPECT_EQ(told("</tool_call>"), "}!");
  EXPECT_EQ(told("<tool_call>get_time"), "");
  EXPECT_EQ(told("</tool_call>"), "start get_time{}!");
  EXPECT_EQ(told(R"(<tool_call>{"name": "add", "arguments": {"a": 1})"), "");
  EXPECT_EQ(told("}</tool_call>"), R"(start add{"a": 1}!)");
}

TEST(OutputStream, TheArgumentsAreTheSameTextEitherWay) {
  const std::string call =
      "<tool_call>weather<arg_key>city</arg_key><arg_value>\x0f\\\"\b\f\n\r\t/ "
      "é\u2028</arg_value><arg_key>tags</arg_key>"
      "<arg_value>[1,2.0,{\"a\":1e3}]</arg_value><arg_key>x\"y</arg_key><arg_value>18446744073709551615</arg_value>"
      "</tool_call>";
  const std::string text = symbols(call);
  EXPECT_EQ(run(streaming(), text).text(), run(answering(), text).text());
  EXPECT_NE(run(streaming(), text).text().find(R"({"city": "\u000f\\\"\b\f\n\r\t/ é)"), std::string::npos);
}

TEST(OutputStream, IntegersKeepTheirDigits) {
  const std::string digits = "1500000000000000000001";
  const std::string wanted = R"({"a": )" + digits + R"(, "b": [-)" + digits + "]}";
  for (const OutputRules& rules : {streaming(), answering()}) {
    for (const std::string& call :
         {"<tool_call>add<arg_key>a</arg_key><arg_value>" + digits + "</arg_value><arg_key>b</arg_key><arg_value>[-" +
              digits + "]</arg_value></tool_call>",
          R"(<tool_call>{"name": "add", "arguments": )" + wanted + "}</tool_call>"}) {
      EXPECT_EQ(events(rules, call), "start(0, add)J[" + wanted + "]complete(0, add, " + wanted + ")");
    }
    EXPECT_EQ(events(rules, "<tool_call>add a=" + digits + " b=1</tool_call>"),
              "start(0, add)J[{\"a\": " + digits + ", \"b\": 1}]complete(0, add, {\"a\": " + digits + ", \"b\": 1})");
  }
}

TEST(OutputStream, ACallThatWasAnnouncedAndCutIsTold) {
  const std::string cut = "a <tool_call>weather<arg_key>city</arg_key><arg_value>Os";
  EXPECT_EQ(events(streaming(), cut), "C[a]start(0, weather)J[{\"city\": \"Os]cut(0,  " + cut.substr(2) + ")");
  EXPECT_EQ(events(answering(), cut), "C[a]cut(0,  " + cut.substr(2) + ")");
  EXPECT_EQ(events(streaming(), "a <tool_call>weat"), "C[a]cut(0,  <tool_call>weat)");
  // An index that was announced is not used again.
  const std::string broken = "<tool_call>weather<arg_key>b</tool_call><tool_call>get_time</tool_call>";
  EXPECT_EQ(events(streaming(), broken),
            "start(0, weather)cut(0, <tool_call>weather<arg_key>b)C[</tool_call>]"
            "start(1, get_time)J[{}]complete(1, get_time, {})");
  EXPECT_EQ(events(answering(), broken),
            "cut(0, <tool_call>weather<arg_key>b)C[</tool_call>]start(0, get_time)J[{}]complete(0, get_time, {})");
}

OutputRules stopping(OutputRules rules, std::vector<std::string> stop) {
  rules.stop = std::move(stop);
  return rules;
}

TEST(OutputStream, StopStringsActOnTheContent) {
  const OutputRules rules = stopping(thinking(), {"third", "\n\n"});
  EXPECT_EQ(events(rules, "The third planet.\n\n</think>\n\nThe third one"), "T[The third planet.]C[The ]");
  EXPECT_EQ(events(rules, "a</think>b\n\n<tool_call>get_time</tool_call>"), "T[a]C[b]");
  OutputParser parser(rules);
  feed(parser, symbols("a third</think>b\n"));
  EXPECT_FALSE(parser.done());
  feed(parser, symbols("\nc"));
  ASSERT_TRUE(parser.done());
  EXPECT_EQ(*parser.stop_string(), "\n\n");
  EXPECT_TRUE(feed(parser, symbols("more<tool_call>get_time</tool_call>")).empty());
}

TEST(OutputStream, StopStringsActOnTheThinkingIfAskedTo) {
  OutputRules rules = stopping(thinking(), {"third"});
  rules.stop_in_thinking = true;
  EXPECT_EQ(events(rules, "The third planet.</think>The"), "T[The ]");
  EXPECT_EQ(events(rules, "The th</think>ird."), "T[The th]C[ird.]");
}

TEST(OutputStream, StopStringsDoNotCutCalls) {
  const OutputRules rules = stopping(answering(), {"Oslo", "OP"});
  const std::string call = "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_value></tool_call>";
  const std::string told = R"(start(0, weather)J[{"city": "Oslo"}]complete(0, weather, {"city": "Oslo"}))";
  EXPECT_EQ(events(rules, call + "It is Oslo"), told + "C[It is ]");
  EXPECT_EQ(events(rules, "ST O" + call + "P"), "C[ST O]" + told + "C[P]") << "two stretches of text";
  // What was no call is content after all.
  EXPECT_EQ(events(rules, "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo"),
            "cut(0, <tool_call>weather<arg_key>city</arg_key><arg_value>)");
  EXPECT_EQ(events(rules, "<tool_call>in Oslo</tool_call> it is"), "C[<tool_call>in ]");
}

TEST(OutputStream, AStopStringMaySpellATagOrReachOverOneThatIsDropped) {
  EXPECT_EQ(events(stopping(answering(), {"<tool_call>"}), "a\\<tool_call>b"), "C[a]");
  EXPECT_EQ(events(stopping(answering(), {"STOP"}), "aST</think>OPb"), "C[a]");
}

TEST(OutputStream, RefusesAnEmptyStopString) {
  EXPECT_ERROR(OutputParser(stopping(answering(), {""})), ErrorKind::invalid_request, "stop: a stop string is empty");
}

TEST(OutputStream, LargeCallsBecomeText) {
  const std::string open = "<tool_call>weather<arg_key>city</arg_key><arg_value>";
  const std::string fits = open + std::string(100, 'x') + "</arg_value></tool_call>";
  OutputRules rules = answering();
  rules.calls.max_bytes = fits.size();
  EXPECT_EQ(run(rules, symbols(fits)).output.tool_calls.size(), 1U);
  rules.calls.max_bytes = fits.size() - 1;
  EXPECT_EQ(run(rules, symbols(fits)).output.content, fits);
  const std::string over = open + std::string(5000, 'x') + "</arg_value></tool_call>";
  for (const bool streamed : {false, true}) {
    rules.calls.max_bytes = 1000;
    rules.calls.streamed = streamed;
    const Recorder whole = run(rules, symbols(over));
    EXPECT_TRUE(whole.output.tool_calls.empty());
    EXPECT_EQ(whole.output.content, over);
    EXPECT_EQ(run(rules, symbols(over), {900, 980, 981, 982, 1002}).text(), whole.text());
  }
  std::string tags = "<tool_call>f";  // no plain byte at all
  for (int i = 0; i < 1000; ++i) tags += "<arg_key></arg_key><arg_value></arg_value>";
  EXPECT_EQ(run(rules, symbols(tags)).output.content, tags);
}

TEST(OutputStream, ProseBehindAStrayTagIsNotWithheldForLong) {
  for (const std::string start : {"x", "weather is what I "}) {
    OutputParser parser(answering());
    const bool may_be_a_call = start != "x";
    EXPECT_EQ(feed(parser, symbols("<tool_call>" + start + std::string(3000, 'x'))).empty(), may_be_a_call) << start;
  }
  const std::string json =
      R"(<tool_call>{"name": "weather", "arguments": {"city": ")" + std::string(3000, 'x') + "\"}}</tool_call>";
  EXPECT_EQ(run(answering(), symbols(json)).output.tool_calls.size(), 1U);
}

TEST(OutputStream, LongWhiteSpaceIsKept) {
  const std::string text = symbols("a" + std::string(200000, ' ') + "<tool_call>get_time</tool_call>");
  const Recorder whole = run(answering(), text);
  EXPECT_EQ(whole.output.tool_calls.size(), 1U);
  EXPECT_GT(whole.output.content.size(), 100000U);
  EXPECT_EQ(run(answering(), text, {70000, 70001, 150000}).text(), whole.text());
}

TEST(OutputStream, TimeIsLinear) {
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "<tool_call>x<arg_key>";
  std::string open = "<tool_call>f<arg_key>a</arg_key><arg_value>";
  for (int i = 0; i < 100000; ++i) open += "<tool_call>x<arg_key>";
  std::string loose;
  for (int i = 0; i < 500; ++i) loose += "<tool_call>weather " + std::string(1000, '=') + "</tool_call>";
  for (const std::string& text : {nested, open, loose, std::string(2000000, '<')}) {
    const CpuTime time;
    run(stopping(streaming(), {"<<<<<<<<<<>"}), symbols(text));
    EXPECT_LT(time.seconds(), kSanitized ? 60 : 5);
  }
}

TEST(OutputStream, SaysWhereItStands) {
  OutputParser parser(thinking());
  EXPECT_EQ(parser.section(), OutputParser::Section::thinking);
  feed(parser, symbols("a</think>"));
  EXPECT_EQ(parser.section(), OutputParser::Section::content);
  feed(parser, symbols("<tool_call>weather"));
  EXPECT_EQ(parser.section(), OutputParser::Section::call);
}

}  // namespace
}  // namespace glimt
