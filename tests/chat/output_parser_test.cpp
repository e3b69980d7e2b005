#include "chat/output_parser.h"
#include "chat/output_oracle.h"

#include <gmock/gmock.h>

#include <chrono>
#include <random>

namespace glimt {
namespace {

constexpr bool kThinking = true;
constexpr bool kAnswering = false;

const ToolSchemas& tools() {
  static const ToolSchemas schemas(parse_json(R"([
    {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}},
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "required": ["city"],
      "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "units": {"type": ["string", "null"]},
                     "tags": {"type": "array"}, "where": {"type": "object"}, "exact": {"type": "boolean"}}}}},
    {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "required": ["a", "b"],
      "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}}}
  ])",
                                              "tools")
                                       .as_array());
  return schemas;
}

// Events with neighbouring deltas joined, as text, so that two runs can be compared.
class Recorder {
 public:
  void add(const std::vector<OutputEvent>& events) {
    for (const OutputEvent& event : events) {
      std::visit([this](const auto& e) { note(e); }, event);
      output.add(event);
    }
  }
  std::string text() const { return log_ + pending(); }
  ParsedOutput output;

 private:
  void note(const ThinkingDelta& e) { delta('T', e.text); }
  void note(const ContentDelta& e) { delta('C', e.text); }
  void note(const ToolCallStart& e) { mark(fmt::format("start({}, {})", e.index, e.name)); }
  void note(const ToolCallComplete& e) {
    mark(fmt::format("complete({}, {}, {})", e.index, e.call.name, dump_json(e.call.arguments)));
  }
  void note(const ToolCallCancelled& e) { mark(fmt::format("cancelled({})", e.index)); }
  void delta(char kind, const std::string& text) {
    EXPECT_FALSE(text.empty()) << "an empty delta";
    if (kind_ != kind) mark("");
    kind_ = kind;
    delta_ += text;
  }
  void mark(const std::string& what) {
    log_ += pending() + what;
    kind_ = ' ';
    delta_.clear();
  }
  std::string pending() const { return kind_ == ' ' ? "" : std::string(1, kind_) + "[" + delta_ + "]"; }
  std::string log_;
  std::string delta_;
  char kind_ = ' ';
};

Recorder parse_cut(std::string_view text, bool thinking, const std::vector<std::size_t>& cuts,
                   std::size_t max_call = OutputParser::kMaxCallBytes) {
  OutputParser parser(tools(), thinking, max_call);
  Recorder recorder;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    recorder.add(parser.feed(text.substr(begin, cut - begin)));
    begin = cut;
  }
  recorder.add(parser.feed(text.substr(begin)));
  recorder.add(parser.finish());
  return recorder;
}

std::string parse(std::string_view text, bool thinking) {
  return dump_json(to_json(parse_cut(text, thinking, {}).output));
}

struct Case {
  bool thinking;
  std::string text;
  std::string json;
};

std::string json_of(std::string_view thinking, std::string_view content, std::string_view calls) {
  return fmt::format(R"({{"thinking": {}, "content": {}, "tool_calls": {}}})", json::serialize(json::string(thinking)),
                     json::serialize(json::string(content)), calls);
}

const std::vector<Case>& corpus() {
  static const std::string city = "<arg_key>city</arg_key><arg_value>Oslo</arg_value>";
  static const std::string oslo = R"({"name": "weather", "arguments": {"city": "Oslo"}})";
  static const std::string now = R"({"name": "get_time", "arguments": {}})";
  static const std::vector<Case> cases = {
      // Thinking and content.
      {kThinking, "", json_of("", "", "[]")},
      {kAnswering, "", json_of("", "", "[]")},
      {kThinking, "I think</think>Hello", json_of("I think", "Hello", "[]")},
      {kThinking, "\n I think \n</think>\n\n Hello \n", json_of("\n I think", "Hello \n", "[]")},
      {kThinking, "never ends \n", json_of("never ends \n", "", "[]")},
      {kThinking, "</think>", json_of("", "", "[]")},
      {kThinking, " \n</think> \n", json_of("", "", "[]")},
      {kAnswering, " Hello  world \n", json_of("", " Hello  world \n", "[]")},
      {kThinking, "größer 日本 🙂</think>🙂 < b", json_of("größer 日本 🙂", "🙂 < b", "[]")},
      {kAnswering, "a<b <thin </ <tool_cal> <<think>", json_of("", "a<b <thin </ <tool_cal> <<think>", "[]")},
      {kAnswering, "a <tool_ca", json_of("", "a <tool_ca", "[]")},
      {kThinking, "a </thin", json_of("a </thin", "", "[]")},
      // Calls.
      {kAnswering, "<tool_call>get_time</tool_call>", json_of("", "", "[" + now + "]")},
      {kAnswering, "<tool_call>\n get_time \n</tool_call>", json_of("", "", "[" + now + "]")},
      {kAnswering, "Let me see. \n<tool_call>weather" + city + "</tool_call>",
       json_of("", "Let me see.", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather" + city + "</tool_call> \n<tool_call>get_time</tool_call>\n done",
       json_of("", "\n done", "[" + oslo + ", " + now + "]")},
      {kAnswering, "a<tool_call>get_time</tool_call>b<tool_call>get_time</tool_call>",
       json_of("", "ab", "[" + now + ", " + now + "]")},
      {kThinking, "hm \n<tool_call>get_time</tool_call>", json_of("hm", "", "[" + now + "]")},
      {kThinking, "hm<tool_call>get_time</tool_call></think>so", json_of("hm", "so", "[" + now + "]")},
      {kThinking, "hm<tool_call>get_time</tool_call>\n</think>\nso </think>",
       json_of("hm", "so </think>", "[" + now + "]")},
      {kThinking, "hm</think>\n<tool_call>get_time</tool_call>", json_of("hm", "", "[" + now + "]")},
      {kAnswering, "<tool_call>unknown_tool<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>",
       json_of("", "", R"([{"name": "unknown_tool", "arguments": {"x": 1}}])")},
      {kAnswering, "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
       json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key> city\n</arg_key><arg_value>Oslo</arg_value></tool_call>",
       json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key>city<arg_value>Oslo</arg_value></tool_call>",
       json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value>Bergen</arg_value>" + city + "</tool_call>",
       json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather</tool_call>", json_of("", "", R"([{"name": "weather", "arguments": {}}])")},
      // Values.
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value> \n12 <b>\"x\"</b>\t</arg_value></tool_call>",
       json_of("", "", R"([{"name": "weather", "arguments": {"city": " \n12 <b>\"x\"</b>\t"}}])")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value></arg_value></tool_call>",
       json_of("", "", R"([{"name": "weather", "arguments": {"city": ""}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>city</arg_key><arg_value>a<tool_call>b</tool_call><arg_key></arg_key><arg_value></"
       "think></arg_value></tool_call>",
       json_of(
           "", "",
           R"([{"name": "weather", "arguments": {"city": "a<tool_call>b</tool_call><arg_key></arg_key><arg_value></think>"}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>days</arg_key><arg_value> 3 </arg_value><arg_key>tags</arg_key><arg_value>[1, "
       "\"a\", {\"b\": null}]</arg_value><arg_key>where</arg_key><arg_value>{\"lat\": "
       "1.5}</arg_value><arg_key>exact</arg_key><arg_value>true</arg_value></tool_call>",
       json_of(
           "", "",
           R"([{"name": "weather", "arguments": {"days": 3, "tags": [1, "a", {"b": null}], "where": {"lat": 1.5}, "exact": true}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>days</arg_key><arg_value>three</arg_value><arg_key>exact</arg_key><arg_value>True</"
       "arg_value></tool_call>",
       json_of("", "", R"([{"name": "weather", "arguments": {"days": "three", "exact": "True"}}])")},
      {kAnswering, "<tool_call>weather<arg_key>units</arg_key><arg_value>null</arg_value></tool_call>",
       json_of("", "", R"([{"name": "weather", "arguments": {"units": null}}])")},
      {kAnswering, "<tool_call>weather<arg_key>units</arg_key><arg_value>42</arg_value></tool_call>",
       json_of("", "", R"([{"name": "weather", "arguments": {"units": "42"}}])")},
      // The output ends inside a call.
      {kAnswering, "x <tool_call>get_time", json_of("", "x", "[" + now + "]")},
      {kAnswering, "x <tool_call>get_time</tool_", json_of("", "x", "[" + now + "]")},
      {kAnswering, "x <tool_call>get_ti", json_of("", "x <tool_call>get_ti", "[]")},
      {kThinking, "x <tool_call>get_ti", json_of("x <tool_call>get_ti", "", "[]")},
      {kAnswering, "x <tool_call>weather", json_of("", "x <tool_call>weather", "[]")},
      {kAnswering, "<tool_call>weather" + city, json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather" + city + "\n", json_of("", "\n", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather" + city + "<arg_key>days</arg_key><arg_value>1",
       json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather" + city + "<arg_k", json_of("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value>Os",
       json_of("", "<tool_call>weather<arg_key>city</arg_key><arg_value>Os", "[]")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_val",
       json_of("", "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo</arg_val", "[]")},
      {kThinking, "so \n<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value>\n",
       json_of("so \n<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value>\n", "", "[]")},
      {kAnswering, "<tool_call>mystery<arg_key>a</arg_key><arg_value>1</arg_value>",
       json_of("", "", R"([{"name": "mystery", "arguments": {"a": 1}}])")},
      {kAnswering, "<tool_call>mystery", json_of("", "<tool_call>mystery", "[]")},
      {kAnswering, "<tool_call>", json_of("", "<tool_call>", "[]")},
      // Broken calls.
      {kAnswering, "<tool_call>get_time<tool_call>get_time</tool_call>", json_of("", "", "[" + now + ", " + now + "]")},
      {kAnswering, "<tool_call>weather<tool_call>get_time</tool_call>",
       json_of("", "<tool_call>weather", "[" + now + "]")},
      {kAnswering, "<tool_call>weather" + city + " So \n<tool_call>get_time</tool_call>",
       json_of("", " So", "[" + oslo + ", " + now + "]")},
      {kAnswering, "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value> oops</tool_call>",
       json_of("", "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value> oops</tool_call>", "[]")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key> is <arg_value>Oslo</arg_value></tool_call>",
       json_of("", "<tool_call>weather<arg_key>city</arg_key> is <arg_value>Oslo</arg_value></tool_call>", "[]")},
      {kAnswering, "<tool_call>weather<arg_key>city</tool_call>",
       json_of("", "<tool_call>weather<arg_key>city</tool_call>", "[]")},
      {kAnswering, "<tool_call> \n</tool_call>", json_of("", "<tool_call> \n</tool_call>", "[]")},
      {kAnswering, "<tool_call><arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
       json_of("", "<tool_call><arg_key>a</arg_key><arg_value>1</arg_value></tool_call>", "[]")},
      {kThinking, "I could use <tool_call> here, but no. </think>Hi",
       json_of("I could use <tool_call> here, but no.", "Hi", "[]")},
      {kThinking, "a <tool_call>weather<arg_key>city</arg_key></think>Hi",
       json_of("a <tool_call>weather<arg_key>city</arg_key>", "Hi", "[]")},
      // Stray tags.
      {kAnswering, "a </think> b", json_of("", "a </think> b", "[]")},
      {kAnswering, "a </tool_call> <arg_key>k</arg_key><arg_value>v</arg_value>",
       json_of("", "a </tool_call> <arg_key>k</arg_key><arg_value>v</arg_value>", "[]")},
      {kThinking, "a </tool_call> <arg_key></think>b</think>", json_of("a </tool_call> <arg_key>", "b</think>", "[]")},
      {kThinking, "<think>a</think>b", json_of("a", "b", "[]")},
      {kThinking, "\n<think>a</think>b", json_of("\na", "b", "[]")},
      {kThinking, "a<think>b</think>c", json_of("a<think>b", "c", "[]")},
      {kAnswering, "\n<think>\na</think>\nb", json_of("\n\na", "b", "[]")},
      {kAnswering, "a<think>b</think>c", json_of("", "a<think>b</think>c", "[]")},
      {kThinking, "</think><think>a</think>", json_of("", "<think>a</think>", "[]")},
  };
  return cases;
}

TEST(OutputParser, Corpus) {
  for (const Case& c : corpus())
    EXPECT_EQ(parse(c.text, c.thinking), c.json) << (c.thinking ? "thinking: " : "answering: ") << c.text;
}

TEST(OutputParser, TheOracleAgreesWithTheCorpus) {
  for (const Case& c : corpus())
    EXPECT_EQ(dump_json(to_json(OutputOracle(tools(), c.thinking, c.text).run())), c.json) << c.text;
}

TEST(OutputParser, EventsDoNotDependOnCuts) {
  std::mt19937_64 random(11);
  for (const Case& c : corpus()) {
    for (const bool thinking : {kThinking, kAnswering}) {
      const std::string whole = parse_cut(c.text, thinking, {}).text();
      std::vector<std::size_t> every;
      for (std::size_t i = 0; i <= c.text.size(); ++i) {
        every.push_back(i);
        ASSERT_EQ(parse_cut(c.text, thinking, {i}).text(), whole) << c.text << " cut at " << i;
        for (std::size_t j = i; j <= c.text.size(); ++j) {
          ASSERT_EQ(parse_cut(c.text, thinking, {i, j}).text(), whole) << c.text << " cut at " << i << " and " << j;
        }
      }
      ASSERT_EQ(parse_cut(c.text, thinking, every).text(), whole) << c.text << " byte by byte";
      for (std::size_t step = 2; step < c.text.size(); ++step) {
        std::vector<std::size_t> cuts;
        for (std::size_t i = step; i < c.text.size(); i += step) cuts.push_back(i);
        ASSERT_EQ(parse_cut(c.text, thinking, cuts).text(), whole) << c.text << " every " << step;
      }
      for (int round = 0; round < 20; ++round) {
        std::vector<std::size_t> cuts;
        for (std::size_t i = 0; i <= c.text.size(); ++i) {
          if (random() % 4 == 0) cuts.push_back(i);
        }
        ASSERT_EQ(parse_cut(c.text, thinking, cuts).text(), whole) << c.text;
      }
    }
  }
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
      "<tool_call>get_time</tool_call>",
      "<tool_call>weather<arg_key>city</arg_key><arg_value>",
      "</arg_value></tool_call>",
      "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value><arg_key>b</arg_key>",
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
      "<tool",
      "</arg_va",
      "text",
      "é",
      "[1]"};
  std::string text;
  for (std::size_t n = random() % 14; n > 0; --n) text += pieces[random() % pieces.size()];
  return text;
}

TEST(OutputParser, EqualsTheOracleOnTagSoup) {
  std::mt19937_64 random(20261124);
  for (int round = 0; round < 60000; ++round) {
    const std::string text = soup(random);
    const bool thinking = random() % 2 == 0;
    const Recorder whole = parse_cut(text, thinking, {});
    ASSERT_EQ(dump_json(to_json(whole.output)), dump_json(to_json(OutputOracle(tools(), thinking, text).run())))
        << (thinking ? "T " : "A ") << text;
    std::vector<std::size_t> cuts;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (random() % 3 == 0) cuts.push_back(i);
    }
    ASSERT_EQ(parse_cut(text, thinking, cuts).text(), whole.text()) << text;
  }
}

TEST(OutputParser, NothingIsLostWithoutCalls) {
  std::mt19937_64 random(5);
  int checked = 0;
  for (int round = 0; round < 60000; ++round) {
    const std::string text = soup(random);
    const ParsedOutput output = parse_cut(text, kAnswering, {}).output;
    if (!output.tool_calls.empty() || !output.thinking.empty() || text.find("<think>") != std::string::npos) continue;
    ++checked;
    ASSERT_EQ(output.content, text);
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
    ASSERT_EQ(parse_cut(text, kThinking, every).text(), parse_cut(text, kThinking, {}).text());
  }
}

TEST(OutputParser, StreamsTextAtOnce) {
  OutputParser parser(tools(), kThinking);
  EXPECT_EQ(std::get<ThinkingDelta>(parser.feed("I see ").at(0)).text, "I see");
  EXPECT_EQ(std::get<ThinkingDelta>(parser.feed("it").at(0)).text, " it");
  EXPECT_TRUE(parser.feed("</thi").empty());
  EXPECT_TRUE(parser.feed("nk>").empty());
  EXPECT_EQ(std::get<ContentDelta>(parser.feed(" Yes").at(0)).text, "Yes");
}

TEST(OutputParser, TellsTheNameBeforeTheArguments) {
  OutputParser parser(tools(), kAnswering);
  EXPECT_TRUE(parser.feed("<tool_call>weather").empty());
  EXPECT_EQ(std::get<ToolCallStart>(parser.feed("<arg_key>city").at(0)).name, "weather");
  EXPECT_TRUE(parser.feed("</arg_key><arg_value>Oslo</arg_value>").empty());
  EXPECT_EQ(std::get<ToolCallComplete>(parser.feed("</tool_call>").at(0)).call.arguments.at("city"), "Oslo");
}

TEST(OutputParser, TakesAStartBackWhenTheCallStaysUnfinished) {
  EXPECT_EQ(parse_cut("<tool_call>weather<arg_key>", kAnswering, {}).text(),
            "start(0, weather)cancelled(0)C[<tool_call>weather<arg_key>]");
}

TEST(OutputParser, LargeCallsBecomeText) {
  const std::string open = "<tool_call>weather<arg_key>city</arg_key><arg_value>";
  const std::string fits = open + std::string(100, 'x') + "</arg_value></tool_call>";
  EXPECT_EQ(parse_cut(fits, kAnswering, {}, fits.size()).output.tool_calls.size(), 1U);
  const std::string over = open + std::string(5000, 'x') + "</arg_value></tool_call>";
  for (const std::vector<std::size_t>& cuts : {std::vector<std::size_t>{}, {10}, {1000, 1001, 1002}}) {
    const ParsedOutput output = parse_cut(over, kAnswering, cuts, 1000).output;
    EXPECT_TRUE(output.tool_calls.empty());
    EXPECT_EQ(output.content, over);
  }
  std::string tags = "<tool_call>f";  // no plain byte at all
  for (int i = 0; i < 1000; ++i) tags += "<arg_key></arg_key><arg_value></arg_value>";
  EXPECT_EQ(parse_cut(tags, kAnswering, {}, 1000).output.content, tags);
  const std::string prose = "<tool_call>" + std::string(3000, 'x');  // prose after a tag is not withheld for long
  OutputParser parser(tools(), kAnswering);
  EXPECT_FALSE(parser.feed(prose).empty());
}

TEST(OutputParser, LongWhiteSpaceIsKept) {
  const std::string text = "a" + std::string(200000, ' ') + "<tool_call>get_time</tool_call>";
  const Recorder whole = parse_cut(text, kAnswering, {});
  EXPECT_EQ(whole.output.tool_calls.size(), 1U);
  EXPECT_GT(whole.output.content.size(), 100000U);
  EXPECT_EQ(parse_cut(text, kAnswering, {70000, 70001, 150000}).text(), whole.text());
}

TEST(OutputParser, TimeIsLinear) {
  std::string nested;
  for (int i = 0; i < 100000; ++i) nested += "<tool_call>x<arg_key>";
  std::string open = "<tool_call>f<arg_key>a</arg_key><arg_value>";
  for (int i = 0; i < 100000; ++i) open += "<tool_call>x<arg_key>";
  for (const std::string& text : {nested, open, std::string(2000000, '<')}) {
    const auto start = std::chrono::steady_clock::now();
    parse_cut(text, kAnswering, {});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  }
}

}  // namespace
}  // namespace glimt
