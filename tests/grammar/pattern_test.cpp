// Patterns mean what ECMA-262 says, in JSON and in the raw arguments of calls, or they are refused.
#include "grammar/pattern.h"

#include "base/throws.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using Texts = std::vector<std::string>;

// Both ways a pattern is used.
void expect(const std::string& pattern, const Texts& found, const Texts& not_found) {
  const json::value schema = json::object{{"type", "string"}, {"pattern", pattern}};
  const Grammar quoted = Grammar::json_schema(demo_environment(), schema);
  const json::value tool = json::object{
      {"name", "f"},
      {"parameters", json::object{{"properties", json::object{{"x", schema}}}, {"required", json::array{"x"}}}}};
  const Grammar raw = Grammar::tool_calls(demo_environment(), json::array{tool});
  const auto check = [&](const std::string& text, bool wanted) {
    EXPECT_EQ(admits(quoted, dump_json(json::string(text))), wanted) << pattern << " " << text;
    const std::string call = fmt::format("<tool_call>f<arg_key>x</arg_key><arg_value>{}</arg_value></tool_call>", text);
    EXPECT_EQ(admits(raw, call), wanted) << pattern << " raw " << text;
  };
  for (const std::string& text : found) check(text, true);
  for (const std::string& text : not_found) check(text, false);
}

TEST(Pattern, ClassesAreOfEcmaScript) {
  expect(R"(^\d$)", {"7"}, {"x", "٣"});
  expect(R"(^\D$)", {"x", "٣"}, {"7"});
  expect(R"(^\w+$)", {"aZ_9"}, {"é", "-"});
  expect(R"(^\W$)", {"é", "-"}, {"a", "_"});
  expect(R"(^a\sb$)",
         {"a b", "a\tb",
          "a\xC2\xA0"
          "b",
          "a\xEF\xBB\xBF"
          "b",
          "a\xE2\x80\xA8"
          "b"},
         {"ab",
          "a\xC2\x85"
          "b",
          "a_b"});
  expect(R"(^\S$)", {"x", "\xC2\x85"}, {" ", "\xC2\xA0"});
  expect("^.$", {"x", "é", "🙂"}, {"\n", "\r", "\xE2\x80\xA8"});
  expect(R"(^\p{L}$)", {"é", "日"}, {"1"});
  expect(R"(^\P{L}$)", {"1"}, {"é"});
  expect(R"(^\p{Script=Greek}+$)", {"αβ"}, {"ab"});
}

TEST(Pattern, OperatorsOfRustsClassesAreCharacters) {
  expect("^[^x&&y]$", {"a"}, {"x", "y", "&"});
  expect("^[a-z&&[aeiou]]$", {"&]", "[]", "q]", "a]"}, {"a", "e", "&"});
  expect("^[+--b]$", {"+", ",", "-", "b"}, {"a", "c"});
  expect("^[a~~b]$", {"a", "~", "b"}, {"c"});
  expect("^[[:alpha:]]$", {"a]", ":]", "[]"}, {"a", "b"});
  expect("^[[]$", {"["}, {"]"});
  expect(R"(^[\]\\^-]$)", {"]", "\\", "^", "-"}, {"a"});
  expect("^[a^]$", {"a", "^"}, {"b"});
  expect(R"(^[\w.-]+$)", {"a.b-c"}, {"a b"});
  expect(R"(^[\w-.]+$)", {"a.b-c"}, {"a b"});
  expect(R"(^[^\W_]$)", {"a", "1"}, {"_", "é", "-"});
  expect(R"(^[\D\s]$)", {"x", " "}, {"1"});
  expect(R"(^[\b]$)", {"\b"}, {"b"});
  expect("^[^]$", {"x", "\n"}, {""});
  expect("^a[]?$", {"a"}, {"a]", "ab"});
  expect(R"(^[#-&/"']+$)", {"#%&/\"'"}, {"("});
}

TEST(Pattern, AnchorsAndAlternatives) {
  expect("b", {"b", "abc"}, {"ac"});
  expect("^a", {"ab"}, {"ba"});
  expect("a$", {"ba"}, {"ab", "a\n"});
  expect("^a|b$", {"ax", "xb", "a"}, {"xa", "bx"});
  expect("^(a|b)$", {"a", "b"}, {"ab", ""});
  expect("^a$|^b$", {"a", "b"}, {"ab", "xa"});
  expect("(^a$)|(^b$)", {"a", "b"}, {"ab", "xa"});
  expect(R"((^|\s)ab($|\s))", {"ab", "x ab", "ab y", "x ab y"}, {"xab", "aby"});
  expect("", {"", "anything"}, {});
  expect("^$", {""}, {"a"});
}

TEST(Pattern, EscapesAndRepetitions) {
  expect(R"(^\x41\u0042\u{43}\cJ\/\-\.$)", {"ABC\n/-."}, {"ABC\n/-x"});
  expect(R"(^\ud83d\ude42$)", {"🙂"}, {"x"});
  expect(R"(^\t\n\v\f\r\0$)", {std::string("\t\n\v\f\r\0", 6)}, {"t"});
  expect("^a{2}b{1,}c{0,1}$", {"aab", "aabbc"}, {"ab", "aabcc"});
  expect("^a+?b*?c??$", {"a", "abc"}, {"c"});
  expect("^{a}$", {"{a}"}, {"a"});
  expect("^a{b$", {"a{b"}, {"ab"});
  expect("^(?<year>[0-9]{4})$", {"2026"}, {"26"});
  expect(R"(^<\w+>$)", {"<b>"}, {"b"});
  expect("^a b#c$", {"a b#c"}, {"abc"});
}

TEST(Pattern, WhatCannotBeEnforcedIsNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"a(?=b)", "look-around is not supported"},
      {"^(?!x)", "look-around is not supported"},
      {"(?<=a)b", "look-around is not supported"},
      {R"(\bword\b)", "word boundaries"},
      {R"((a)\1)", "back references"},
      {R"(\k<a>)", "back references"},
      {"(?i)a", "flags in a pattern"},
      {"(?i:a)", "flags in a pattern"},
      {R"(\Aa)", "\\A is not of ECMA-262: write ^"},
      {R"(a\Z)", "\\Z is not of ECMA-262: write $"},
      {R"(\h)", "\\h is not of ECMA-262"},
      {"^(?:a|^)x", "an anchor inside of a pattern"},
      {"$^|a", "an anchor inside of a pattern"},
      {"a^b", "an anchor inside of a pattern"},
      {"(^a)*", "an anchor inside of a pattern"},
      {"x(a$|b)c", "an anchor inside of a pattern"},
      {"^*", "an anchor cannot be repeated"},
      {"*a", "there is nothing that '*' could repeat"},
      {"a**", "two repetitions follow each other"},
      {"a{,3}", "{,n} is not of ECMA-262: write {0,n}"},
      {"a{3,2}", "{3,2} is empty"},
      {"a{200000}", "more than 100000 repetitions"},
      {"[a--b]", "a range of a class ends before it begins"},
      {"[b-a]", "a range of a class ends before it begins"},
      {"(a", "there is a '(' without its ')'"},
      {"a)", "there is a ')' without its '('"},
      {"[a", "the pattern ends too early"},
      {"a\\", "the pattern ends too early"},
      {R"(\xZZ)", "hexadecimal"},
      {R"(\ud83d)", "half of a surrogate pair"},
      {R"(\p{a-b})", "the name of a property"},
      {std::string(100, '(') + std::string(100, ')'), "more than 64 groups"},
      {std::string(20'000, 'a'), "20000 bytes long, at most 16384 wanted"},
  };
  for (const auto& [pattern, message] : cases) {
    EXPECT_ERROR(whole_text_regex(pattern, "schema: /pattern"), ErrorKind::invalid_request,
                 AllOf(HasSubstr("schema: /pattern: "), HasSubstr(message)));
  }
}

TEST(Pattern, OfKeys) {
  const Grammar grammar = Grammar::json_schema(
      demo_environment(),
      parse_json(R"({"type": "object", "patternProperties": {"^\\d&&[a&&b]$": {}}, "additionalProperties": false})",
                 "s"));
  EXPECT_TRUE(admits(grammar, R"({"1&&a": 1})"));
  EXPECT_TRUE(admits(grammar, R"({"1&&&": 1})"));
  EXPECT_FALSE(admits(grammar, R"({"٣&&a": 1})"));
}

}  // namespace
}  // namespace glimt::test
