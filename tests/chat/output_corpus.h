// Answers and what they mean, by hand.
#pragma once

#include "chat/symbols.h"

#include <string>
#include <vector>

namespace glimt {

inline const ToolSchemas& tools() {
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

inline OutputRules answering() {
  OutputRules rules;
  rules.calls.tools = tools();
  return rules;
}

inline OutputRules thinking() {
  OutputRules rules = answering();
  rules.starts_thinking = true;
  return rules;
}

// Reads symbols, cut at these places.
inline Recorder run(const OutputRules& rules, std::string_view text, const std::vector<std::size_t>& cuts = {},
                    bool utf8 = true) {
  OutputParser parser(rules);
  Recorder recorder;
  recorder.checks_json = utf8;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    recorder.add(feed(parser, text.substr(begin, cut - begin)));
    begin = cut;
  }
  recorder.add(feed(parser, text.substr(begin)));
  recorder.add(parser.finish());
  return recorder;
}

inline std::string json_of(const ParsedOutput& output) { return dump_json(to_json(output)); }

inline std::string parsed(std::string_view thinking, std::string_view content, std::string_view calls,
                          bool cut = false) {
  return fmt::format(R"({{"thinking": {}, "content": {}, "tool_calls": {}{}}})",
                     json::serialize(json::string(thinking)), json::serialize(json::string(content)), calls,
                     cut ? R"(, "call_cut": true)" : "");
}

struct Case {
  bool thinks;
  std::string text;  // a backslash in front of a tag: text that spells it
  std::string json;

  OutputRules rules() const { return thinks ? thinking() : answering(); }
};

inline const std::vector<Case>& corpus() {
  constexpr bool kThinking = true;
  constexpr bool kAnswering = false;
  constexpr bool kCut = true;
  static const std::string city = "<arg_key>city</arg_key><arg_value>Oslo</arg_value>";
  static const std::string oslo = R"({"name": "weather", "arguments": {"city": "Oslo"}})";
  static const std::string now = R"({"name": "get_time", "arguments": {}})";
  static const std::vector<Case> cases = {
      // Thinking and content.
      {kThinking, "", parsed("", "", "[]")},
      {kAnswering, "", parsed("", "", "[]")},
      {kThinking, "I think</think>Hello", parsed("I think", "Hello", "[]")},
      {kThinking, "\n I think \n</think>\n\n Hello \n", parsed("\n I think", "Hello \n", "[]")},
      {kThinking, "never ends \n", parsed("never ends \n", "", "[]")},
      {kThinking, "</think>", parsed("", "", "[]")},
      {kThinking, " \n</think> \n", parsed("", "", "[]")},
      {kAnswering, " Hello  world \n", parsed("", " Hello  world \n", "[]")},
      {kThinking, "größer 日本 🙂</think>🙂 < b", parsed("größer 日本 🙂", "🙂 < b", "[]")},
      {kAnswering, "a<b <thin </ <tool_cal> <\\<think>", parsed("", "a<b <thin </ <tool_cal> <<think>", "[]")},
      {kAnswering, "a <tool_ca", parsed("", "a <tool_ca", "[]")},
      {kThinking, "a </thin", parsed("a </thin", "", "[]")},
      // Tags that are only spelled.
      {kThinking, "The user wrote \\</think> here.</think>I see \\</think>.",
       parsed("The user wrote </think> here.", "I see </think>.", "[]")},
      {kAnswering, "The page says \\<tool_call>get_time\\</tool_call> and no more.",
       parsed("", "The page says <tool_call>get_time</tool_call> and no more.", "[]")},
      {kAnswering, "\\<think>a\\</think>", parsed("", "<think>a</think>", "[]")},
      {kAnswering,
       "<tool_call>weather<arg_key>city</arg_key><arg_value>\\</arg_value>\\</tool_call>\\<arg_key></arg_value>"
       "</tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"city": "</arg_value></tool_call><arg_key>"}}])")},
      // Calls.
      {kAnswering, "<tool_call>get_time</tool_call>", parsed("", "", "[" + now + "]")},
      {kAnswering, "<tool_call>\n get_time \n</tool_call>", parsed("", "", "[" + now + "]")},
      {kAnswering, "Let me see. \n<tool_call>weather" + city + "</tool_call>",
       parsed("", "Let me see.", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather" + city + "</tool_call> \n<tool_call>get_time</tool_call>\n done",
       parsed("", "\n done", "[" + oslo + ", " + now + "]")},
      {kAnswering, "a<tool_call>get_time</tool_call>b<tool_call>get_time</tool_call>",
       parsed("", "ab", "[" + now + ", " + now + "]")},
      {kThinking, "hm \n<tool_call>get_time</tool_call>", parsed("hm", "", "[" + now + "]")},
      {kThinking, "hm<tool_call>get_time</tool_call></think>so", parsed("hm", "so", "[" + now + "]")},
      {kThinking, "hm<tool_call>get_time</tool_call>\n</think>\nso </think>", parsed("hm", "so ", "[" + now + "]")},
      {kThinking, "hm</think>\n<tool_call>get_time</tool_call>", parsed("hm", "", "[" + now + "]")},
      {kAnswering, "<tool_call>unknown_tool<arg_key>x</arg_key><arg_value>1</arg_value></tool_call>",
       parsed("", "", R"([{"name": "unknown_tool", "arguments": {"x": 1}}])")},
      {kAnswering, "<tool_call>mcp:files/read.v2-ä</tool_call>",
       parsed("", "", R"([{"name": "mcp:files/read.v2-ä", "arguments": {}}])")},
      {kAnswering, "<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Oslo</arg_value>\n</tool_call>",
       parsed("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key> city\n</arg_key><arg_value>Oslo</arg_value></tool_call>",
       parsed("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key>city<arg_value>Oslo</arg_value></tool_call>",
       parsed("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value>Bergen</arg_value>" + city + "</tool_call>",
       parsed("", "", "[" + oslo + "]")},
      {kAnswering, "<tool_call>weather</tool_call>", parsed("", "", R"([{"name": "weather", "arguments": {}}])")},
      // Values.
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value> \n12 <b>\"x\"</b>\t</arg_value></tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"city": " \n12 <b>\"x\"</b>\t"}}])")},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value></arg_value></tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"city": ""}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>city</arg_key><arg_value>a<tool_call>b</tool_call><arg_key></arg_key><arg_value></"
       "think></arg_value></tool_call>",
       parsed(
           "", "",
           R"([{"name": "weather", "arguments": {"city": "a<tool_call>b</tool_call><arg_key></arg_key><arg_value></think>"}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>days</arg_key><arg_value> 3 </arg_value><arg_key>tags</arg_key><arg_value>[1, "
       "\"a\", {\"b\": null}]</arg_value><arg_key>where</arg_key><arg_value>{\"lat\": "
       "1.5}</arg_value><arg_key>exact</arg_key><arg_value>true</arg_value></tool_call>",
       parsed(
           "", "",
           R"([{"name": "weather", "arguments": {"days": 3, "tags": [1, "a", {"b": null}], "where": {"lat": 1.5}, "exact": true}}])")},
      {kAnswering,
       "<tool_call>weather<arg_key>days</arg_key><arg_value>three</arg_value><arg_key>exact</arg_key><arg_value>True</"
       "arg_value></tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"days": "three", "exact": "True"}}])")},
      {kAnswering, "<tool_call>weather<arg_key>units</arg_key><arg_value>null</arg_value></tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"units": null}}])")},
      {kAnswering, "<tool_call>weather<arg_key>units</arg_key><arg_value>42</arg_value></tool_call>",
       parsed("", "", R"([{"name": "weather", "arguments": {"units": "42"}}])")},
      // The answer ends inside of a call, wherever: no call.
      {kAnswering, "x <tool_call>", parsed("", "x <tool_call>", "[]", kCut)},
      {kAnswering, "x <tool_call>get_ti", parsed("", "x <tool_call>get_ti", "[]", kCut)},
      {kAnswering, "x <tool_call>get_time", parsed("", "x <tool_call>get_time", "[]", kCut)},
      {kThinking, "x <tool_call>get_ti", parsed("x", "<tool_call>get_ti", "[]", kCut)},
      {kThinking, "x</think>\n<tool_call>get_ti", parsed("x", "<tool_call>get_ti", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>", parsed("", "<tool_call>weather<arg_key>", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>ci", parsed("", "<tool_call>weather<arg_key>ci", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key>",
       parsed("", "<tool_call>weather<arg_key>city</arg_key>", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key><arg_value>Os",
       parsed("", "<tool_call>weather<arg_key>city</arg_key><arg_value>Os", "[]", kCut)},
      {kAnswering, "<tool_call>weather" + city, parsed("", "<tool_call>weather" + city, "[]", kCut)},
      {kAnswering, "<tool_call>weather" + city + "\n", parsed("", "<tool_call>weather" + city + "\n", "[]", kCut)},
      {kAnswering, "<tool_call>weather" + city + "<arg_key>days</arg_key><arg_value>1",
       parsed("", "<tool_call>weather" + city + "<arg_key>days</arg_key><arg_value>1", "[]", kCut)},
      {kAnswering, "<tool_call>get_time</tool_call>\n<tool_call>weather<arg_key>",
       parsed("", "\n<tool_call>weather<arg_key>", "[" + now + "]", kCut)},
      {kAnswering, "<tool_call>mystery<arg_key>a</arg_key><arg_value>1</arg_value>",
       parsed("", "<tool_call>mystery<arg_key>a</arg_key><arg_value>1</arg_value>", "[]", kCut)},
      // A </tool_call> that the model forgot.
      {kAnswering, "<tool_call>get_time<tool_call>get_time</tool_call>", parsed("", "", "[" + now + ", " + now + "]")},
      {kAnswering, "<tool_call>weather" + city + "\n<tool_call>get_time</tool_call>",
       parsed("", "", "[" + oslo + ", " + now + "]")},
      {kAnswering, "<tool_call>weather<tool_call>get_time</tool_call>",
       parsed("", "<tool_call>weather", "[" + now + "]")},
      {kAnswering, "<tool_call>mystery<arg_key>a</arg_key><arg_value>1</arg_value><tool_call>get_time</tool_call>",
       parsed("", "<tool_call>mystery<arg_key>a</arg_key><arg_value>1</arg_value>", "[" + now + "]", kCut)},
      // Broken calls.
      {kAnswering, "<tool_call>weather" + city + " So \n<tool_call>get_time</tool_call>",
       parsed("", "<tool_call>weather" + city + " So", "[" + now + "]", kCut)},
      {kAnswering, "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value> oops</tool_call>",
       parsed("", "<tool_call>add<arg_key>a</arg_key><arg_value>1</arg_value> oops</tool_call>", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>city</arg_key> is <arg_value>Oslo</arg_value></tool_call>",
       parsed("", "<tool_call>weather<arg_key>city</arg_key> is <arg_value>Oslo</arg_value></tool_call>", "[]", kCut)},
      {kAnswering, "<tool_call>weather<arg_key>city</tool_call>",
       parsed("", "<tool_call>weather<arg_key>city</tool_call>", "[]", kCut)},
      {kAnswering, "<tool_call> \n</tool_call>", parsed("", "<tool_call> \n</tool_call>", "[]")},
      {kAnswering, "<tool_call>to be, or not</tool_call>", parsed("", "<tool_call>to be, or not</tool_call>", "[]")},
      {kAnswering, "<tool_call><arg_key>a</arg_key><arg_value>1</arg_value></tool_call>",
       parsed("", "<tool_call><arg_key>a</arg_key><arg_value>1</arg_value></tool_call>", "[]")},
      {kThinking, "I could use <tool_call> here, but no. </think>Hi",
       parsed("I could use <tool_call> here, but no.", "Hi", "[]")},
      {kThinking, "a <tool_call>weather<arg_key>city</arg_key></think>Hi",
       parsed("a", "<tool_call>weather<arg_key>city</arg_key>Hi", "[]", kCut)},
      // Calls in other forms; tests/chat/loose_call_test.cpp has more.
      {kAnswering, R"(<tool_call>{"name": "add", "arguments": {"a": 1, "b": 2.5}}</tool_call>)",
       parsed("", "", R"([{"name": "add", "arguments": {"a": 1, "b": 2.5}}])")},
      {kAnswering, R"(<tool_call>weather city="Oslo" days=3</tool_call>)",
       parsed("", "", R"([{"name": "weather", "arguments": {"city": "Oslo", "days": 3}}])")},
      {kAnswering, R"(<tool_call>{"name": "mystery", "arguments": {}}</tool_call>!)",
       parsed("", R"(<tool_call>{"name": "mystery", "arguments": {}}</tool_call>!)", "[]")},
      {kAnswering, R"(<tool_call>{"name": "add", "arguments": {"a": 1)",
       parsed("", R"(<tool_call>{"name": "add", "arguments": {"a": 1)", "[]", kCut)},
      // Stray tags.
      {kAnswering, "a </think> b", parsed("", "a  b", "[]")},
      {kThinking, "a</think>b</think>c</think>", parsed("a", "bc", "[]")},
      {kThinking, "a</think>\n</think>\nb", parsed("a", "b", "[]")},
      {kAnswering, "a </tool_call> <arg_key>k</arg_key><arg_value>v</arg_value>",
       parsed("", "a </tool_call> <arg_key>k</arg_key><arg_value>v</arg_value>", "[]")},
      {kThinking, "a </tool_call> <arg_key></think>b</think>", parsed("a </tool_call> <arg_key>", "b", "[]")},
      {kThinking, "<think>a</think>b", parsed("a", "b", "[]")},
      {kThinking, "\n<think>a</think>b", parsed("\na", "b", "[]")},
      {kThinking, "a<think>b</think>c", parsed("a<think>b", "c", "[]")},
      {kAnswering, "\n<think>\na</think>\nb", parsed("\n\na", "b", "[]")},
      {kAnswering, "a<think>b</think>c", parsed("", "a<think>b</think>c", "[]")},
      {kThinking, "</think><think>a</think>", parsed("", "<think>a</think>", "[]")},
  };
  return cases;
}

}  // namespace glimt
