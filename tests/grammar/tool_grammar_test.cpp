// Calls that the grammar of tools lets through are what the output parser reads back.
#include "base/file.h"
#include "base/throws.h"
#include "chat/tag_reader.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt::test {
namespace {

using testing::HasSubstr;

json::array tools_of(std::string_view text) { return parse_json(text, "tools").get_array(); }

constexpr std::string_view kWeather = R"([
  {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {
     "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 7},
     "unit": {"enum": ["C", "F"]}, "note": {"type": ["string", "null"]}}, "required": ["city", "days"]}}},
  {"name": "now"},
  {"name": "weather_map", "parameters": {"type": "object", "properties": {"box": {"type": "array",
     "items": {"type": "number"}, "minItems": 4, "maxItems": 4}}, "required": ["box"]}}])";

Grammar grammar_of(std::string_view tools, const ToolCallRules& rules = {}) {
  return Grammar::tool_calls(demo_environment(), tools_of(tools), rules);
}

ParsedOutput parsed(const json::array& tools, std::string_view text, bool thinking = false) {
  OutputRules rules;
  rules.calls.tools = ToolSchemas(tools);
  rules.starts_thinking = thinking;
  return parse_raw(text, rules);
}

TEST(ToolGrammar, TheFormat) {
  const Grammar grammar = grammar_of(kWeather);
  const std::string call =
      "<tool_call>weather<arg_key>city</arg_key><arg_value>Oslo, \"old\" {town}\n</arg_value>"
      "<arg_key>days</arg_key><arg_value>3</arg_value></tool_call>";
  EXPECT_TRUE(admits(grammar, call));
  EXPECT_TRUE(admits(grammar, "<tool_call>now</tool_call>"));
  EXPECT_TRUE(admits(grammar, call + "<tool_call>now</tool_call>" + call));
  EXPECT_TRUE(admits(
      grammar, "<tool_call>weather_map<arg_key>box</arg_key><arg_value>[1, 2.5, -3, 4e9]</arg_value></tool_call>"));
  for (const std::string& text :
       {std::string(), std::string("Sure!"), "Sure! " + call, call + " ", std::string("<tool_call>later</tool_call>"),
        std::string("<tool_call>weather</tool_call>"),
        std::string("<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_value></tool_call>"),
        std::string("<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_value>"
                    "<arg_key>days</arg_key><arg_value>8</arg_value></tool_call>"),
        std::string("<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_value>"
                    "<arg_key>days</arg_key><arg_value>2</arg_value>"
                    "<arg_key>unit</arg_key><arg_value>K</arg_value></tool_call>"),
        std::string("<tool_call>now<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>"),
        std::string("<tool_call>now")}) {
    EXPECT_FALSE(admits(grammar, text)) << text;
  }
}

TEST(ToolGrammar, OneCallOfOneTool) {
  const Grammar grammar = grammar_of(kWeather, {.allowed = {"now"}, .parallel = false});
  EXPECT_TRUE(admits(grammar, "<tool_call>now</tool_call>"));
  EXPECT_FALSE(admits(grammar, "<tool_call>now</tool_call><tool_call>now</tool_call>"));
  Matcher matcher = grammar.matcher();
  ASSERT_TRUE(matcher.accept(demo_environment()->control("<tool_call>")));
  EXPECT_FALSE(
      admits(grammar, "<tool_call>weather_map<arg_key>box</arg_key><arg_value>[1, 2, 3, 4]</arg_value></tool_call>"));
}

constexpr std::string_view kNow = "<tool_call>now</tool_call>";
constexpr std::string_view kMap =
    "<tool_call>weather_map<arg_key>box</arg_key><arg_value>[1, 2, 3, 4]</arg_value></tool_call>";

// Text that is held against a grammar, and whether it may be the answer.
void expect_answers(const Grammar& grammar, const std::vector<std::pair<std::string, bool>>& answers) {
  for (const auto& [text, fits] : answers) EXPECT_EQ(admits(grammar, text), fits) << text;
}

TEST(ToolChoice, AllowedSubset) {
  const std::string now(kNow), map(kMap);
  expect_answers(grammar_of(kWeather, {.allowed = {"now", "weather_map"}}),
                 {{now, true},
                  {now + map + now, true},
                  {"", false},
                  {"text", false},
                  {"<tool_call>weather<arg_key>city</arg_key><arg_value>x</arg_value><arg_key>days</arg_key>"
                   "<arg_value>3</arg_value></tool_call>",
                   false}});
}

TEST(ToolChoice, AutoWithAtMostOneCall) {
  const std::string now(kNow), map(kMap);
  expect_answers(grammar_of(kWeather, {.allowed = {}, .parallel = false, .required = false}),
                 {{now, true},
                  {"I look at the clock.\n" + now, true},
                  {"No tool is {needed}.", true},
                  {now + map, false},
                  {"text" + now + now, false},
                  {now + "text", false},
                  {"text<tool_call>later</tool_call>", false}});
}

TEST(ToolChoice, AutoOfAllowedTools) {
  const std::string now(kNow), map(kMap);
  expect_answers(grammar_of(kWeather, {.allowed = {"now"}, .parallel = true, .required = false}),
                 {{"text", true}, {now + now, true}, {"text" + now + now, true}, {map, false}, {"text" + map, false}});
}

TEST(ToolChoice, CallsOrTheJsonOfAResponseFormat) {
  const json::value schema = parse_json(
      R"({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"],
          "additionalProperties": false})",
      "schema");
  const std::string now(kNow);
  const Grammar grammar = grammar_of(kWeather, {.allowed = {}, .parallel = true, .required = false, .answer = schema});
  expect_answers(grammar, {{now, true},
                           {now + now, true},
                           {R"({"ok": true})", true},
                           {R"({"ok": 1})", false},
                           {"text", false},
                           {"", false},
                           {R"({"ok": true})" + now, false},
                           {now + R"({"ok": true})", false}});
  // Behind the thinking it is the same: what ends the thinking is its tag alone.
  const Grammar behind = grammar.after_thinking();
  expect_answers(behind, {{"Well.</think>" + now, true},
                          {R"(Well.</think>{"ok": false})", true},
                          {"Well." + now, false},
                          {"Well.", false},
                          {"Well.</think>", false}});
}

TEST(ToolChoice, TheAnswersSchemaIsCheckedToo) {
  const json::value schema = json::object{{"not", json::object{{"type", "string"}}}};
  EXPECT_ERROR(grammar_of(kWeather, {.allowed = {}, .required = false, .answer = schema}), ErrorKind::invalid_request,
               HasSubstr("response_format: keyword 'not' is not supported"));
}

// The tag that ends a value is one token, but the output parser sees text: spelled, it would end the value too.
TEST(ToolGrammar, NoTextSpellsTheEndOfItsValue) {
  Matcher matcher = grammar_of(kWeather).matcher();
  const auto feed = [&](const std::vector<TokenId>& ids) {
    return std::ranges::all_of(ids, [&](TokenId id) { return matcher.accept(id); });
  };
  ASSERT_TRUE(feed(demo_tokenizer().encode_raw("<tool_call>weather<arg_key>city</arg_key><arg_value>")));
  ASSERT_TRUE(feed(demo_tokenizer().encode_plain("a </arg_key> <tool_call> b </arg_valu")));
  EXPECT_FALSE(feed(demo_tokenizer().encode_plain("e>")));
}

// llguidance looks for forced text there, and fails if the end of the text is not plain to see.
TEST(ToolGrammar, TextThatIsFull) {
  const Grammar grammar = grammar_of(R"([{"name": "f", "parameters": {"properties": {
    "x": {"type": "string", "pattern": "\\.txt$", "maxLength": 9}}, "required": ["x"]}}])",
                                     {.allowed = {}, .parallel = false});
  EXPECT_TRUE(admits(grammar, "<tool_call>f<arg_key>x</arg_key><arg_value>abcde.txt</arg_value></tool_call>"));
  // Nine characters that end so, or eight: the ninth could not end so again.
  for (const std::string_view text : {"abcde", "abcde.", "abcde.txt", "abcd.txt"}) {
    Matcher matcher = grammar.matcher();
    for (const TokenId id :
         demo_tokenizer().encode_raw(fmt::format("<tool_call>f<arg_key>x</arg_key><arg_value>{}", text))) {
      ASSERT_TRUE(matcher.accept(id)) << text;
    }
    std::string rest;
    while (matcher.state() == Matcher::State::unfinished) {
      const std::vector<TokenId> ids = allowed(matcher);
      rest += demo_tokenizer().piece(ids.front());
      ASSERT_TRUE(matcher.accept(ids.front())) << text;
    }
    EXPECT_TRUE(text.starts_with("abcde") ? std::string(text) + rest == "abcde.txt</arg_value></tool_call>"
                                          : rest == "</arg_value></tool_call>")
        << text << rest;
  }
}

// Where text and other types are possible, text is what the parser takes for text.
TEST(ToolGrammar, UnionsAreReadBackAsMeant) {
  const auto value = [](std::string_view schema, std::string_view text) {
    const std::string tools = fmt::format(
        R"([{{"name": "f", "parameters": {{"type": "object", "properties": {{"x": {}}}, "required": ["x"]}}}}])",
        schema);
    return admits(grammar_of(tools),
                  fmt::format("<tool_call>f<arg_key>x</arg_key><arg_value>{}</arg_value></tool_call>", text));
  };
  const std::string_view either =
      R"({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 10, "maximum": 20}]})";
  for (const char* text : {"12", "twelve", "12 apples", "", "null", "-"}) EXPECT_TRUE(value(either, text)) << text;
  for (const char* text : {"9", " 9", "21", "1e3", "9.5\n"}) EXPECT_FALSE(value(either, text)) << text;
  const std::string_view optional = R"({"anyOf": [{"type": "string", "pattern": "^[a-z]+$"}, {"type": "null"}]})";
  for (const char* text : {"null", "nulls", "abc"}) EXPECT_TRUE(value(optional, text)) << text;
  for (const char* text : {"", "Abc", "null "}) EXPECT_FALSE(value(optional, text)) << text;
  const std::string_view object = R"({"type": ["string", "object"], "properties": {"k": {"type": "integer"}},
                                     "required": ["k"], "additionalProperties": false})";
  for (const char* text : {R"({"k": 1})", "k", "[k]", "a {k}"}) EXPECT_TRUE(value(object, text)) << text;
  for (const char* text : {R"({"k": "1"})", "{}", "{k", " {"}) EXPECT_FALSE(value(object, text)) << text;
  for (const char* text : {"anything", "{\"a\": 1}", "12", ""}) EXPECT_TRUE(value("{}", text)) << text;
  EXPECT_TRUE(value(R"({"type": "string", "nullable": true, "maxLength": 3})", "null"));
  EXPECT_FALSE(value(R"({"type": "string", "nullable": true, "maxLength": 3})", "long"));
}

TEST(ToolGrammar, SamplesAreCallsOfDeclaredTools) {
  const std::string corpus = read_file(std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/grammar/data/tools.jsonl");
  int lines = 0;
  for (std::size_t at = 0; at < corpus.size(); ++lines) {
    const std::size_t end = corpus.find('\n', at);
    const json::value line = parse_json(std::string_view(corpus).substr(at, end - at), "corpus");
    at = end + 1;
    const json::array& tools = line.at("tools").get_array();
    const ToolSchemas schemas(tools);
    const bool thinking = lines % 2 == 1;
    const Grammar calls = Grammar::tool_calls(demo_environment(), tools, {.allowed = {}, .parallel = lines % 3 != 0});
    const Grammar grammar = thinking ? calls.after_thinking() : calls;
    int finished = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      const Sample answer = sample(grammar, seed, 300);
      ASSERT_EQ(answer.broken, "") << line.at("name");
      if (!answer.finished) continue;
      ++finished;
      const ParsedOutput output = parsed(tools, answer.text, thinking);
      EXPECT_EQ(output.content, "") << answer.text;
      EXPECT_GE(output.tool_calls.size(), 1U) << answer.text;
      if (lines % 3 == 0) {
        EXPECT_EQ(output.tool_calls.size(), 1U) << answer.text;
      }
      for (const ToolCall& call : output.tool_calls) {
        const ToolSchema* schema = schemas.find(call.name);
        ASSERT_NE(schema, nullptr) << call.name;
        EXPECT_TRUE(schema->admits(call.arguments)) << answer.text;
      }
    }
    EXPECT_GE(finished, 60) << line.at("name");
  }
  EXPECT_GE(lines, 10);
}

TEST(ToolGrammar, StringsInBase64) {
  const Grammar grammar = grammar_of(R"([{"name": "f", "parameters": {"properties": {
    "x": {"type": "string", "contentEncoding": "base64"}}, "required": ["x"]}}])");
  EXPECT_TRUE(admits(grammar, "<tool_call>f<arg_key>x</arg_key><arg_value>aGk=</arg_value></tool_call>"));
  EXPECT_FALSE(admits(grammar, "<tool_call>f<arg_key>x</arg_key><arg_value>a%k=</arg_value></tool_call>"));
}

// Arguments are told by the types that their references stand for, also where these go by $id.
TEST(ToolGrammar, ReferencesByIdHaveTheirTypes) {
  const std::string_view tools = R"([{"name": "f", "parameters": {"properties": {"x": {"$ref": "Count"}},
    "required": ["x"], "$defs": {"c": {"$id": "Count", "type": "integer"}}}}])";
  const std::string call = "<tool_call>f<arg_key>x</arg_key><arg_value>12</arg_value></tool_call>";
  EXPECT_TRUE(admits(grammar_of(tools), call));
  EXPECT_FALSE(admits(grammar_of(tools), "<tool_call>f<arg_key>x</arg_key><arg_value>ab</arg_value></tool_call>"));
  EXPECT_TRUE(ToolSchemas(tools_of(tools)).find("f")->parameters.at("x") == kIntegerType);
}

TEST(ToolGrammar, Refuses) {
  const auto refuses = [](std::string_view tools, std::string_view message, const ToolCallRules& rules = {}) {
    EXPECT_ERROR(grammar_of(tools, rules), ErrorKind::invalid_request, HasSubstr(std::string(message)));
  };
  refuses("[]", "tools: none given");
  refuses("[3]", "tools[0]: must be an object");
  refuses(R"([{"name": "f"}, {"name": "f"}])", "tools[1]: the name 'f' is that of tools[0]");
  refuses("[{}]", "tools[0]: field 'name' is missing");
  refuses(kWeather, "tools: no tool is called 'later'", {.allowed = {"later"}});
  refuses(R"([{"name": " f"}])", "tools[0]: the name \" f\" cannot be called");
  refuses(R"([{"name": "a<b"}])", "cannot be called");
  refuses(R"([{"name": "f", "parameters": {"anyOf": []}}])",
          "tools[0].parameters: keyword 'anyOf' beside the properties");
  refuses(R"([{"name": "f", "input_schema": {"if": {}, "then": false}}])",
          "tools[0].input_schema: keyword 'if' beside the properties");
  refuses(R"([{"name": "f", "parameters": {"type": "string"}}])", "tools[0].parameters: /type: must be object");
  const auto property = [&](std::string_view schema, std::string_view message) {
    refuses(fmt::format(R"([{{"name": "f", "parameters": {{"properties": {{"x": {}}}}}}}])", schema),
            fmt::format("tools[0].parameters: /properties/x: {}", message));
  };
  property(R"({"not": {"type": "null"}})", "keyword 'not' is not supported");
  property(R"({"type": "string", "format": "iban"})", "/format: format 'iban' is not supported");
  property(R"({"type": "string", "pattern": "a^b"})", "/pattern: an anchor inside of a pattern");
  property(R"-({"type": "string", "pattern": "a(?=b)"})-", "/pattern: look-around is not supported");
  property(R"({"enum": ["</arg_value>"]})", "/enum: a text with </arg_value>");
  property(R"({"oneOf": [{"type": "string"}, {"type": "string", "maxLength": 3}]})", "/oneOf: oneOf is not supported");
  property(R"({"type": "integer", "items": {"uniqueItems": true}})", "/items: keyword 'uniqueItems'");
  // What llguidance refuses has its place, too.
  property(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "a oneOf is supported where it is plain");
  property(R"({"type": "integer", "minimum": 3, "maximum": 2})", "Unsatisfiable schema");
  refuses(R"([{"name": "f", "parameters": {"properties": {"x": {"type": "integer"}}}},
              {"name": "g", "parameters": {"properties": {"y": {"type": "array", "minItems": 3, "maxItems": 2}}}}])",
          "tools[1].parameters: /properties/y: Unsatisfiable schema");
  const json::value impossible = json::object{{"type", "integer"}, {"minimum", 3}, {"maximum", 2}};
  refuses(kWeather, "response_format: Unsatisfiable schema", {.allowed = {}, .required = false, .answer = impossible});
}

}  // namespace
}  // namespace glimt::test
