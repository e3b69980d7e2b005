// Sources that are made to cost: each gives an error or works, within a second and 64 MB.
#include "base/sanitized.h"
#include "base/throws.h"
#include "grammar/sampling.h"
#include "text/cpu_time.h"

#include <gtest/gtest.h>

#include <sys/resource.h>

#include <functional>

namespace glimt::test {
namespace {

constexpr double kMaxSeconds = kSanitized ? 30 : 1;
constexpr long kMaxKilobytes = kSanitized ? 4 << 20 : 64 << 10;

enum class Outcome { works, refused, either };

std::string repeat(std::string_view text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

std::string joined(int count, const std::function<std::string(int)>& part, std::string_view separator = "") {
  std::string result;
  for (int i = 0; i < count; ++i) result += (i == 0 ? "" : std::string(separator)) + part(i);
  return result;
}

bool allows_next(Matcher& matcher, TokenId id) {
  std::vector<std::uint32_t> mask(demo_environment()->mask_words());
  matcher.mask(mask);
  return allows(mask, id);
}

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

// Compiles, and walks a few answers; over a limit that shows only on the way is an error of the matcher.
void expect(Outcome wanted, const std::string& name, const std::function<Grammar()>& compile) {
  demo_environment();
  const long before = peak_kilobytes();
  const CpuTime time;
  Outcome outcome = Outcome::works;
  std::string message;
  try {
    const Grammar grammar = compile();
    for (std::uint64_t seed = 0; seed < 2; ++seed) {
      const Sample answer = sample(grammar, seed, 40);
      EXPECT_EQ(answer.broken, "") << name;
    }
  } catch (const Error& error) {
    outcome = Outcome::refused;
    message = error.what();
    EXPECT_EQ(error.kind(), ErrorKind::invalid_request) << name << ": " << error.what();
    EXPECT_LT(std::string_view(error.what()).size(), 5000U) << name;
  }
  if (wanted != Outcome::either) {
    EXPECT_EQ(outcome, wanted) << name << ": " << message;
  }
  EXPECT_LT(time.seconds(), kMaxSeconds) << name;
  EXPECT_LT(peak_kilobytes() - before, kMaxKilobytes) << name;
}

void regex(Outcome wanted, const std::string& pattern) {
  expect(wanted, "regex " + pattern.substr(0, 60), [&] { return Grammar::regex(demo_environment(), pattern); });
}

void lark(Outcome wanted, const std::string& source) {
  expect(wanted, "lark " + source.substr(0, 60), [&] { return Grammar::lark(demo_environment(), source); });
}

void schema(Outcome wanted, const std::string& text) {
  expect(wanted, "schema " + text.substr(0, 100),
         [&] { return Grammar::json_schema(demo_environment(), parse_json(text, "schema")); });
}

void tools(Outcome wanted, const std::string& name, const json::array& declared) {
  expect(wanted, "tools " + name, [&] { return Grammar::tool_calls(demo_environment(), declared); });
}

json::object tool(const std::string& name, json::object parameters) {
  return {{"name", name}, {"parameters", std::move(parameters)}};
}

json::object named(int count, std::string_view letter, const std::function<json::value(int)>& schema) {
  json::object properties;
  for (int i = 0; i < count; ++i) properties[fmt::format("{}{}", letter, i)] = schema(i);
  return properties;
}

// Each property refers to one schema of many parts: a short request stands for many.
TEST(Bombs, ToolsOfManyReferences) {
  const auto flags = [](int count) {
    json::array objects;
    for (int i = 0; i < count; i += 900) {
      const json::object properties = named(std::min(900, count - i), "p", [](int) {
        return json::object{{"type", "boolean"}};
      });
      objects.push_back(json::object{{"type", "object"}, {"properties", properties}});
    }
    return json::object{{"B", json::object{{"anyOf", objects}}}};
  };
  const auto references = [&](int parts, int properties, bool equal) {
    return tool("f", {{"type", "object"},
                      {"properties", named(properties, "a",
                                           [&](int i) {
                                             json::object schema{{"$ref", "#/$defs/B"}};
                                             if (!equal) schema["title"] = std::to_string(i);
                                             return json::value(schema);
                                           })},
                      {"$defs", flags(parts)}});
  };
  tools(Outcome::works, "equal", {references(50, 500, true)});
  tools(Outcome::either, "equal and long", {references(2000, 900, true)});
  tools(Outcome::refused, "2000 x 100", {references(2000, 100, false)});
  tools(Outcome::refused, "2000 x 1000", {references(2000, 1000, false)});
  tools(Outcome::refused, "5000 x 4000", {references(5000, 4000, false)});
  json::array many;
  for (int i = 0; i < 500; ++i) {
    json::object one = references(50, 10, false);
    one["name"] = fmt::format("f{}", i);
    many.push_back(one);
  }
  tools(Outcome::refused, "500 of 10 x 50", many);
}

TEST(Bombs, ToolsOfLongTexts) {
  const auto with = [](json::object target, int properties) {
    return tool("f", {{"type", "object"},
                      {"properties", named(properties, "a",
                                           [](int i) {
                                             return json::object{
                                                 {"title", std::to_string(i)},
                                                 {"anyOf", {{{"$ref", "#/$defs/B"}}, {{"$ref", "#/$defs/B"}}}}};
                                           })},
                      {"$defs", json::object{{"B", std::move(target)}}}});
  };
  const std::string words = repeat("(word|text)", 1000);
  tools(Outcome::refused, "patterns", {with({{"type", "string"}, {"pattern", words}}, 500)});
  tools(Outcome::refused, "constants", {with({{"const", repeat("x", 200'000)}}, 900)});
  tools(Outcome::refused, "lists", {with({{"enum", json::array(5000, "a text of some length")}}, 900)});
  tools(Outcome::refused, "numbers", {with({{"enum", json::array(5000, 123456789)}}, 900)});
  json::object many = named(1001, "a", [](int) { return json::object{}; });
  tools(Outcome::refused, "properties", {tool("f", {{"type", "object"}, {"properties", many}})});
}

// As many as a client may have: they work.
TEST(Bombs, ToolsOfABusyAgent) {
  json::array declared;
  for (int i = 0; i < 120; ++i) {
    declared.push_back(tool(
        fmt::format("tool_{}", i),
        {{"type", "object"}, {"properties", named(8, "a", [&](int k) -> json::value {
                                if (k % 4 == 0)
                                  return json::object{{"type", "integer"}, {"minimum", 0}, {"maximum", 10 + i}};
                                if (k % 4 == 1)
                                  return json::object{{"type", "array"}, {"items", json::object{{"type", "string"}}}};
                                if (k % 4 == 2) return json::object{{"enum", {"one", "two", std::to_string(i)}}};
                                return json::object{{"type", "string"}, {"description", std::to_string(k)}};
                              })}}));
  }
  tools(Outcome::works, "120 of 8", declared);
}

TEST(Bombs, SchemasThatRepeatThemselves) {
  schema(Outcome::refused, fmt::format(R"({{"oneOf": [{}], "$defs": {{"a": {{"const": "{}"}}}}}})",
                                       joined(
                                           2000, [](int) { return R"({"$ref": "#/$defs/a"})"; }, ","),
                                       repeat("x", 100'000)));
  schema(Outcome::refused, R"({"type": "object", "required": [)" +
                               joined(
                                   2000, [](int i) { return fmt::format("\"r{}\"", i); }, ",") +
                               "]}");
  schema(Outcome::either, fmt::format(R"({{"type": "string", "pattern": "{}"}})", repeat("[\\\\s-\\\\W]", 1000)));
  schema(Outcome::refused, fmt::format(R"({{"type": "string", "pattern": "{}"}})", repeat("(", 5000)));
}

TEST(Bombs, Regexes) {
  regex(Outcome::works, "(a+)+b");
  regex(Outcome::works, repeat("(", 100) + "a*" + repeat(")*", 100));
  regex(Outcome::refused, repeat("(", 60'000) + "a" + repeat(")", 60'000));
  regex(Outcome::refused, repeat("(", 8'000) + "a" + repeat(")", 8'000));
  regex(Outcome::either, "(((a{1,100}){1,100}){1,100}){1,100}");
  regex(Outcome::either, "a{1,2000000000}");
  regex(Outcome::either, "(a?){5000}a{5000}");
  regex(Outcome::either, "(a|b)*a(a|b){200}");
  regex(Outcome::either, ".*a.{5000}");
  regex(Outcome::either, joined(199, [](int i) { return fmt::format("\\p{{L}}{{{},{}}}", i, i + 100); }));
  regex(Outcome::either, joined(
                             900, [](int i) { return fmt::format("{}x{}.*y", i, i * 7); }, "|"));
  regex(Outcome::refused, "a(?=b)");
  regex(Outcome::refused, "[");
  regex(Outcome::refused, "[^\\x{0}-\\x{10ffff}]");  // nothing
}

TEST(Bombs, Lark) {
  const auto chain = [](std::string_view form, char letter) {
    return fmt::format("start: {}0\n", letter) +
           joined(
               2500, [&](int i) { return fmt::format(fmt::runtime(form), letter, i, i + 1); }, "\n") +
           fmt::format("\n{}2500: \"y\"", letter);
  };
  for (const char letter : {'r', 'T'}) {
    lark(Outcome::either, chain("{0}{1}:{0}{2}?\"x\"", letter));
    lark(Outcome::either, chain("{0}{1}:\"x\"{0}{2}?", letter));
    lark(Outcome::either, chain("{0}{1}:{0}{2}|\"x\"", letter));
  }
  lark(Outcome::refused, "start: " + repeat("(", 60'000) + "\"a\"" + repeat(")", 60'000));
  lark(Outcome::refused, "start: " + repeat("(", 5'000) + "\"a\"" + repeat(")", 5'000));
  lark(Outcome::refused, "start: " + repeat("%lark { start: ", 200) + "\"a\"" + repeat("}", 200));
  lark(Outcome::works,
       "start: T0\n" + joined(14, [](int i) { return fmt::format("T{}: T{} T{}\n", i, i + 1, i + 1); }) + "T14: \"y\"");
  lark(Outcome::refused,
       "start: T0\n" + joined(60, [](int i) { return fmt::format("T{}: T{} T{}\n", i, i + 1, i + 1); }) + "T60: \"y\"");
  lark(Outcome::refused,
       "start: r0\n" + joined(60, [](int i) { return fmt::format("r{}: r{} r{}\n", i, i + 1, i + 1); }) + "r60: \"y\"");
  lark(Outcome::refused, "start: start");
  lark(Outcome::works, "start: start start | \"a\" | ");
  lark(Outcome::either, "start: \"a\"~1..2000000000");
  lark(Outcome::either, "start: " + joined(
                                        5000, [](int i) { return fmt::format("\"a{}\"?", i); }, " "));
  lark(Outcome::refused, "start: A\nA: ~(/.*a.{30}/) & ~(/.*b.{30}/) & /.*c.{25}/");
  lark(Outcome::either, "start: %regex {\"substring_chars\": \"" + repeat("abc", 20'000) + "\"}");
  lark(Outcome::refused, "start: A\nA: \"a\" A");
  lark(Outcome::refused, "start: nowhere");
  lark(Outcome::refused, "nothing");
  lark(Outcome::refused, "");
  lark(Outcome::refused, "start: %json " + repeat("[", 5'000));
}

// The time of a step grows with the third power of the readings of a text: 51 s until llguidance's own limit.
TEST(Bombs, AnAmbiguousTextIsCutEarly) {
  Matcher matcher = Grammar::lark(demo_environment(), "start: s\ns: s s | s s s | \"a\"").matcher();
  const TokenId letter = demo_tokenizer().token_id("a").value();
  const CpuTime time;
  const auto walk = [&] {
    for (int i = 0; i < 400; ++i) {
      ASSERT_TRUE(allows_next(matcher, letter)) << i;
      ASSERT_TRUE(matcher.accept(letter)) << i;
    }
  };
  EXPECT_ERROR(walk(), ErrorKind::invalid_request, testing::HasSubstr("items"));
  EXPECT_GT(matcher.accepted(), 60U);
  EXPECT_LT(time.seconds(), kMaxSeconds);
}

TEST(Bombs, References) {
  schema(Outcome::refused, R"({"$ref": "#"})");
  schema(Outcome::refused,
         R"({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}})");
  schema(Outcome::refused,
         R"({"$ref": "#/$defs/a", "type": "object", "$defs": {"a": {"type": "object", "$ref": "#/$defs/a"}}})");
  schema(Outcome::refused, R"({"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]})");
  schema(Outcome::refused, R"({"oneOf": [{"$ref": "#"}, {"$ref": "#"}]})");
  const auto doubling = [](std::string_view keyword) {
    return fmt::format(
        R"({{"$ref": "#/$defs/a0", "$defs": {{{}, "a60": {{"type": "string"}}}}}})",
        joined(
            60,
            [&](int i) {
              return fmt::format(
                  R"("a{0}": {{"{1}": [{{"$ref": "#/$defs/a{2}", "minLength": 1}}, {{"$ref": "#/$defs/a{2}", "maxLength": 9}}]}})",
                  i, keyword, i + 1);
            },
            ", "));
  };
  for (const char* keyword : {"anyOf", "oneOf", "allOf"}) schema(Outcome::either, doubling(keyword));
  schema(Outcome::refused,
         fmt::format(R"({{"$ref": "#/$defs/a0", "$defs": {{{}, "a60": {{"type": "null"}}}}}})",
                     joined(
                         60,
                         [](int i) {
                           return fmt::format(
                               R"("a{0}": {{"oneOf": [{{"$ref": "#/$defs/a{1}"}}, {{"$ref": "#/$defs/a{1}"}}]}})", i,
                               i + 1);
                         },
                         ", ")));
}

TEST(Bombs, Schemas) {
  schema(Outcome::refused, repeat(R"({"items":)", 60'000) + "{}" + repeat("}", 60'000));
  schema(Outcome::works, repeat(R"({"items":)", 50) + "{}" + repeat("}", 50));
  schema(Outcome::either, R"({"type": "string", "minLength": 100000, "maxLength": 2000000})");
  schema(Outcome::either, R"-({"type": "string", "pattern": "(a+)+b.*(x.{200}|y.{300})"})-");
  schema(Outcome::either, R"({"type": "string", "pattern": "^(a?){2000}$", "maxLength": 1000})");
  schema(Outcome::either, R"({"type": "array", "minItems": 1000000000, "items": {"type": "null"}})");
  schema(Outcome::either, R"({"type": "object", "minProperties": 1000000})");
  schema(Outcome::refused, R"({"type": "integer", "multipleOf": 4000000007})");
  schema(Outcome::refused, R"({"type": "integer", "multipleOf": 1000003})");
  schema(Outcome::either, R"({"type": "integer", "multipleOf": 9973})");
  schema(Outcome::refused, R"({"type": "string", "minLength": 5, "maxLength": 2})");
  schema(Outcome::refused, R"({"type": "string", "pattern": "^a$", "minLength": 3})");
  schema(Outcome::refused, R"({"type": "string", "pattern": "("})");
  schema(Outcome::either, R"({"type": "object", "patternProperties": {"^a.*(b.{50})+$": {}, "c(d|e)*.{100}f": {}}})");
  schema(Outcome::either,
         fmt::format(R"({{"enum": [{}]}})",
                     joined(
                         20'000, [](int i) { return fmt::format("\"v{}xxxxxxxxxxxxxxx\"", i); }, ",")));
  const auto properties = [](int count, std::string_view type) {
    return fmt::format(R"({{"type": "object", "properties": {{{}}}}})",
                       joined(
                           count, [&](int i) { return fmt::format(R"("p{}": {})", i, type); }, ","));
  };
  schema(Outcome::works, properties(400, R"({"type": "integer"})"));
  schema(Outcome::either, properties(1000, R"({"type": "string"})"));
  schema(Outcome::refused, properties(5000, R"({"type": "boolean"})"));
  schema(Outcome::either,
         fmt::format(
             R"({{"type": "object", "properties": {{{}}}}})",
             joined(
                 60, [&](int i) { return fmt::format(R"("o{}": {})", i, properties(95, R"({"type": "string"})")); },
                 ",")));
  schema(Outcome::either,
         fmt::format(R"({{"allOf": [{}]}})",
                     joined(
                         12,
                         [](int i) {
                           return fmt::format(R"({{"anyOf": [{}]}})",
                                              joined(
                                                  4,
                                                  [&](int j) {
                                                    return fmt::format(
                                                        R"({{"properties": {{"p{}{}": {{"type": "string"}}}}}})", i, j);
                                                  },
                                                  ","));
                         },
                         ",")));
}

}  // namespace
}  // namespace glimt::test
