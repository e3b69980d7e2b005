#include "grammar/schema.h"

#include "base/file.h"
#include "base/throws.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt::test {
namespace {

using testing::HasSubstr;

std::string prepared(std::string_view text) {
  const json::value schema = parse_json(text, "test");
  json::value result = prepare_schema(schema, "schema");
  result.get_object().erase("x-guidance");
  return dump_json(result);
}

#define EXPECT_REFUSED(text, message) EXPECT_ERROR(prepared(text), ErrorKind::invalid_request, HasSubstr(message))

TEST(PrepareSchema, DropsWhatSaysNothing) {
  EXPECT_EQ(prepared(R"({"title": "T", "type": "string", "x-foo": 1, "default": "a", "uniqueItems": false,
                         "x-guidance": {"whitespace_flexible": true}, "$defs": {"unused": {"not": {}}}})"),
            R"({"type": "string"})");
  EXPECT_EQ(prepared(R"({"type": "number", "format": "double"})"), R"({"type": "number"})");
  EXPECT_EQ(prepared("true"), "{}");
}

TEST(PrepareSchema, RefusesByName) {
  EXPECT_REFUSED(R"({"properties": {"a/b": {"items": {"not": {"type": "null"}}}}})",
                 "schema: /properties/a~1b/items: keyword 'not' is not supported: say what is wanted by enum");
  for (const char* keyword : {"if", "uniqueItems", "contains", "propertyNames", "dependentRequired", "dependentSchemas",
                              "unevaluatedProperties", "$dynamicRef"}) {
    const std::string said = R"({"type": "null"})";
    EXPECT_REFUSED(fmt::format(R"({{"{}": {}, "then": true, "allOf": []}})", keyword, said),
                   fmt::format("keyword '{}' is not supported", keyword));
  }
  EXPECT_REFUSED(R"({"type": "string", "format": "iban"})", "/format: format 'iban' is not supported");
  EXPECT_REFUSED(R"({"anyOf": [{}, 3]})", "/anyOf/1: a schema must be an object or a boolean");
  EXPECT_REFUSED(R"({"anyOf": {}})", "/anyOf: must be an array");
  EXPECT_REFUSED(R"({"properties": []})", "/properties: must be an object");
  EXPECT_REFUSED(R"({"enum": 1})", "/enum: must be an array");
  EXPECT_REFUSED(R"({"minimum": "1"})", "/minimum: must be a number");
  EXPECT_REFUSED("false", "the schema is false");
  EXPECT_REFUSED("3", "a schema must be an object or a boolean");
}

TEST(PrepareSchema, NamesOfPropertiesAreNoKeywords) {
  EXPECT_EQ(
      prepared(
          R"({"properties": {"not": {"type": "null"}, "title": {"type": "null"}}, "additionalProperties": false})"),
      R"({"properties": {"not": {"type": "null"}, "title": {"type": "null"}}, "additionalProperties": false})");
  EXPECT_EQ(prepared(R"({"const": {"not": 1}})"), R"({"const": {"not": 1}})");
}

TEST(PrepareSchema, FollowsReferences) {
  EXPECT_EQ(prepared(R"({"$ref": "#/x/a~1b%20c", "x": {"a/b c": {"type": "null"}}})"),
            R"({"$ref": "#/$defs/0", "$defs": {"0": {"type": "null"}}})");
  EXPECT_EQ(prepared(R"({"items": {"$ref": "#"}})"),
            R"({"items": {"$ref": "#/$defs/0"}, "$defs": {"0": {"items": {"$ref": "#/$defs/0"}}}})");
  EXPECT_EQ(prepared(R"({"oneOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"type": "null"}}})"),
            R"({"oneOf": [{"type": "null"}]})");
  EXPECT_REFUSED(R"({"$ref": "#/nowhere"})", "/$ref: '#/nowhere' leads nowhere");
  EXPECT_REFUSED(R"({"$ref": "https://example.com/s.json"})", "only references within the schema");
  EXPECT_REFUSED(R"({"$ref": "#anchor"})", "only references within the schema");
  EXPECT_REFUSED(R"({"$ref": "#/$defs/a", "$defs": {"a": {"items": {"not": {"type": "null"}}}}})",
                 "/$defs/a/items: keyword 'not'");
}

TEST(PrepareSchema, NumbersStaySafe) {
  EXPECT_EQ(prepared(R"({"type": "integer"})"),
            R"({"type": "integer", "minimum": -999999999999999, "maximum": 999999999999999})");
  EXPECT_EQ(prepared(R"({"type": "integer", "minimum": -9223372036854775808, "exclusiveMaximum": 5})"),
            R"({"type": "integer", "minimum": -9007199254740991, "exclusiveMaximum": 5})");
  EXPECT_REFUSED(R"({"minimum": 1e300})", "/minimum: no number within 2^53");
  EXPECT_REFUSED(R"({"const": [9007199254740993]})", "/const: a number beyond 2^53");
  EXPECT_REFUSED(R"({"multipleOf": 0})", "/multipleOf: must be a number above 0");
  EXPECT_REFUSED(R"({"multipleOf": 1e-300})", "/multipleOf: must have at most 6 digits");
}

TEST(PrepareSchema, IsBounded) {
  json::value deep = json::object{};
  for (int i = 0; i < 1000; ++i) deep = json::object{{"items", deep}};
  EXPECT_ERROR(prepare_schema(deep, "schema"), ErrorKind::invalid_request, HasSubstr("nested deeper than 64"));
  json::object wide;
  for (int i = 0; i < 1001; ++i) wide[std::to_string(i)] = true;
  const json::value object = json::object{{"properties", wide}};
  EXPECT_ERROR(prepare_schema(object, "schema"), ErrorKind::invalid_request, HasSubstr("1001 entries"));
  const json::value many = json::object{{"anyOf", json::array(10'001, json::value(true))}};
  EXPECT_ERROR(prepare_schema(many, "schema"), ErrorKind::invalid_request, HasSubstr("more than 6000 parts"));
}

// 200 answers to each are judged by tests/e2e/test_schemas.py; here only that they end, and read back as JSON.
TEST(Schemas, RandomAnswersEnd) {
  const std::string corpus = read_file(std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/grammar/data/schemas.jsonl");
  std::size_t schemas = 0;
  for (std::size_t at = 0; at < corpus.size(); ++schemas) {
    const std::size_t end = corpus.find('\n', at);
    const json::value line = parse_json(std::string_view(corpus).substr(at, end - at), "corpus");
    at = end + 1;
    const Grammar grammar = Grammar::json_schema(demo_environment(), line.at("schema"));
    int finished = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const Sample answer = sample(grammar, seed, 300);
      ASSERT_EQ(answer.broken, "") << line.at("name") << " " << answer.text;
      if (!answer.finished) continue;
      ++finished;
      try {
        parse_json(answer.text, "answer");
      } catch (const Error& error) {
        // JSON has no largest number, a double has: the one thing that is valid and not read.
        EXPECT_THAT(error.what(), testing::AnyOf(HasSubstr("out of range"), HasSubstr("exponent overflow")));
        EXPECT_NE(answer.text.find_first_of("eE"), std::string::npos) << answer.text;
      }
    }
    EXPECT_GE(finished, 10) << line.at("name");
  }
  EXPECT_GE(schemas, 100U);
}

}  // namespace
}  // namespace glimt::test
