// What grammars of JSON schemas let through and what not, one line a rule. An answer that is wrong for its schema must
// not get through however it is spelled.
#include "base/throws.h"
#include "grammar/sampling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt::test {
namespace {

using testing::HasSubstr;
using Texts = std::vector<std::string>;

Grammar schema(std::string_view text) { return Grammar::json_schema(demo_environment(), parse_json(text, "schema")); }

void expect(std::string_view source, const Texts& accepted, const Texts& rejected) {
  const Grammar grammar = schema(source);
  for (const std::string& text : accepted) EXPECT_TRUE(admits(grammar, text)) << source << " " << text;
  for (const std::string& text : rejected) EXPECT_FALSE(admits(grammar, text)) << source << " " << text;
}

void expect_refused(std::string_view source, const std::string& message) {
  EXPECT_ERROR(schema(source), ErrorKind::invalid_request, HasSubstr(message));
}

TEST(SchemaKeys, NoEscapeDodgesADeclaredKey) {
  expect(R"({"type": "object", "properties": {"role": {"const": "user"}}, "required": ["role"]})",
         {R"({"role": "user"})", R"({"role": "user", "more": 1})"},
         {R"({"role": "user", "r\u006fle": "admin"})", R"({"role": "user", "\u0072ole": 1})",
          R"({"role": "user", "role": "admin"})", R"({"role": "user", "more": 1, "role": "admin"})"});
  expect(R"({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "integer"}})",
         {R"({"a": "x", "b": 1})", "{}"}, {R"({"\u0061": 1})", R"({"a": 1})", R"({"a": "x", "a": 1})"});
  expect(
      R"({"type": "object", "properties": {"x": {"type": "null"}}, "patternProperties": {"^a": {"type": "integer"}}})",
      {R"({"x": null, "ab": 1})", R"({"b": "free"})"}, {R"({"\u0061b": "x"})", R"({"\u0078": 1})"});
  expect(R"({"type": "object", "properties": {"a\nb": {"type": "null"}}})", {R"({"a\nb": null})", R"({"ab": 1})"},
         {R"({"a\u000ab": 1})", R"({"a\nb": 1})"});
}

TEST(SchemaKeys, TheSameThroughAllOf) {
  expect(R"({"allOf": [{"type": "object", "properties": {"a": {"const": 1}}},
                       {"type": "object", "additionalProperties": {"type": "integer"}}]})",
         {R"({"a": 1, "b": 2})"}, {R"({"\u0061": 2})", R"({"a": 1, "b": "x"})", R"({"a": 1, "\u0061": 2})"});
}

TEST(SchemaKeys, ADeclaredKeyNeedNotFitTheSchemaOfFreeKeys) {
  expect(R"({"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"],
             "additionalProperties": {"type": "string"}})",
         {R"({"id": 1, "name": "x"})"}, {R"({"id": "1"})", R"({"id": 1, "name": 2})"});
}

TEST(SchemaKeys, ARepeatedKeyCountsOnce) {
  expect(R"({"type": "object", "minProperties": 1})", {R"({"a": 1})"}, {"{}"});
  expect_refused(R"({"type": "object", "minProperties": 2})", "minProperties is supported up to one more");
  expect_refused(R"({"type": "object", "properties": {"a": {"minProperties": 5}}})",
                 "/properties/a: minProperties is supported up to one more");
  expect(R"({"type": "object", "required": ["a", "b"], "minProperties": 3})", {R"({"a": 1, "b": 2, "c": 3})"},
         {R"({"a": 1, "b": 2})"});
}

TEST(SchemaKeys, NumbersOfPropertiesThatSayNothing) {
  expect(R"({"type": "object", "properties": {"a": {}, "b": {}}, "additionalProperties": false, "maxProperties": 2,
             "minProperties": 0})",
         {"{}", R"({"a": 1, "b": 2})"}, {R"({"c": 1})"});
  expect(R"({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"], "minProperties": 1})",
         {R"({"a": 1})"}, {"{}"});
  expect_refused(R"({"properties": {"o": {"properties": {"a": {}, "b": {}}, "maxProperties": 1}}})",
                 "/properties/o: minProperties and maxProperties are supported where");
}

TEST(SchemaNames, OfRecords) {
  expect(R"({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "number"}})",
         {R"({"a": 1})"}, {R"({"a": "x"})"});
  expect(R"({"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "integer"}})",
         {R"({"a": 1, "b": 2})", "{}"}, {R"({"c": 1})", R"({"a": "x"})", R"({"a": 1, "\u0061": 2})"});
  expect(
      R"({"type": "object", "propertyNames": {"$ref": "#/$defs/n"},
             "$defs": {"n": {"type": "string", "pattern": "^[a-z]+$"}}})",
      {R"({"abc": 1})"}, {R"({"Abc": 1})", R"({"": 1})"});
  expect(R"({"type": "object", "propertyNames": {"maxLength": 2}})", {R"({"ab": 1})"}, {R"({"abc": 1})"});
  expect_refused(R"({"properties": {"a": {}}, "propertyNames": {"pattern": "^a"}})", "keyword 'propertyNames'");
  expect_refused(R"({"propertyNames": {"pattern": "^a", "maxLength": 3}})", "keyword 'propertyNames'");
}

TEST(SchemaStrings, FormatsAreAboutStringsAlone) {
  expect(R"({"type": ["string", "null"], "format": "date"})", {"null", R"("2026-02-28")"}, {R"("2026-02-30")", "1"});
  expect(R"({"type": ["string", "null"], "format": "date-time"})", {"null"}, {R"("x")"});
  expect(R"({"format": "date"})", {"12", "{}", "null", R"("2024-02-29")"}, {R"("2023-02-29")"});
  expect(R"({"type": ["string", "null"], "format": "hostname", "pattern": "^a"})", {"null", R"("a.b")"},
         {R"("b.a")", R"("a_")"});
  expect(R"({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]})", {"null", R"("2026-01-31")"},
         {R"("x")"});
  expect(R"({"type": "string", "format": "date", "nullable": true})", {"null", R"("2026-01-31")"}, {R"("x")"});
  expect(R"({"type": "string", "format": "password"})", {R"("x")"}, {"1"});
}

TEST(SchemaStrings, TimesThatExist) {
  expect(
      R"({"type": "string", "format": "time"})", {R"("12:30:00Z")", R"("00:00:00.25+05:30")"},
      {R"("12:30:60Z")", R"("22:59:60Z")", R"("23:59:60Z")", R"("24:00:00Z")", R"("12:30:00")", R"("12:30:00+24:00")"});
  expect(R"({"type": "string", "format": "date-time"})", {R"("2026-05-24T22:46:59Z")"},
         {R"("2026-05-24T22:46:60Z")", R"("2026-05-24 22:46:00Z")", R"("0000-01-01T00:00:00Z")"});
  expect(R"({"type": "string", "format": "duration"})", {R"("P1DT2H")", R"("P3W")", R"("PT5M")"},
         {R"("P")", R"("PT")", R"("P1Y2D")", R"("1D")"});
}

TEST(SchemaStrings, Hosts) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  expect(R"({"type": "string", "format": "hostname"})",
         {R"("a.example.com")", R"("a-b.c1")", R"("xyz")", R"("a--b")", '"' + longest + '"'},
         {'"' + longest + "a\"", '"' + label + "a\"", R"("-a")", R"("a-")", R"("a..b")", R"("xn--x")", R"("a_b")",
          R"("")"});
  expect(R"({"type": "string", "format": "email"})", {R"("a.b+c@example.com")"},
         {R"("a..b@example.com")", R"("a@-b.com")", R"("a b@c.de")", R"("a@b")", R"("@b.de")"});
  expect(R"({"type": "string", "format": "ipv4"})", {R"("127.0.0.1")", R"("255.255.255.255")"},
         {R"("256.0.0.1")", R"("1.2.3")", R"("01.2.3.4")"});
  expect(R"({"type": "string", "format": "ipv6"})",
         {R"("::")", R"("::1")", R"("1:2:3:4:5:6:7:8")", R"("fe80::1:2")", R"("1:2:3:4:5:6:7::")"},
         {R"(":::")", R"("1::2::3")", R"("1:2:3:4:5:6:7:8:9")", R"("12345::")", R"("1:2:3:4:5:6:7::8")"});
  expect(R"({"type": "string", "format": "uri"})",
         {R"("http://a.b/c?d=e#f")", R"("mailto:a@b.c")", R"("https://[::1]:80/%20")", R"("urn:x:y")"},
         {R"("a.b/c")", R"("http://a b")", R"("http://a/%2")", R"("//a/b")", R"("http://[1::2::3]/")", R"(":x")"});
  expect(R"({"type": "string", "format": "uri-reference"})", {R"("../a#b")", R"("/x")", R"("http://a")"},
         {R"("a b")", R"("\\x")"});
  expect(R"({"type": "string", "format": "json-pointer"})", {R"("")", R"("/a~1b/0")"}, {R"("a")", R"("/~2")"});
  expect(R"({"type": "string", "contentEncoding": "base64"})", {R"("aGk=")", R"("")"}, {R"("a")", R"("a%==")"});
}

TEST(SchemaNumbers, DecimalSpelledCounts) {
  expect(R"({"type": "string", "minLength": 2.0, "maxLength": 3.0})", {R"("ab")"}, {R"("a")", R"("abcd")"});
  expect(R"({"type": "array", "maxItems": 2.0})", {"[1, 2]"}, {"[1, 2, 3]"});
  expect(R"({"type": "array", "minItems": 1.0})", {"[1]"}, {"[]"});
  expect(R"({"type": "object", "maxProperties": 1.0})", {"{}"}, {R"({"a": 1, "b": 2})"});
  for (const char* count : {"2.5", "-1", "\"2\"", "null"}) {
    expect_refused(fmt::format(R"({{"type": "array", "minItems": {}}})", count),
                   "/minItems: must be an integer from 0");
  }
}

TEST(SchemaNumbers, Draft4Bounds) {
  expect(R"({"type": "integer", "minimum": 3, "exclusiveMinimum": true, "maximum": 5, "exclusiveMaximum": false})",
         {"4", "5"}, {"3", "6"});
}

TEST(SchemaArrays, OldAndNewTuples) {
  expect(R"({"type": "array", "items": [{"type": "integer"}], "additionalItems": {"type": "string"}})",
         {"[1, \"x\"]", "[]"}, {"[\"x\"]", "[1, 2]"});
  expect(R"({"type": "array", "prefixItems": [{"type": "integer"}], "additionalItems": false})", {"[1, 2]"},
         {"[\"x\"]"});
  expect(R"({"type": "array", "items": {"type": "integer"}, "additionalItems": false})", {"[1, 2]"}, {"[\"x\"]"});
  expect_refused(R"({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{}]})",
                 "/prefixItems: is of draft 2020-12");
}

TEST(SchemaArrays, FewConstantsEachOnce) {
  expect(R"({"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": true, "minItems": 1})",
         {R"(["b"])", R"(["c", "a"])", R"(["b", "c", "a"])"},
         {"[]", R"(["a", "a"])", R"(["a", "b", "a"])", R"(["d"])"});
  expect(R"({"type": "array", "items": {"$ref": "#/$defs/e"}, "uniqueItems": true, "$defs": {"e": {"enum": [1, 2]}}})",
         {"[]", "[2, 1]"}, {"[1, 1]"});
  expect(R"({"type": "array", "uniqueItems": true, "maxItems": 1})", {"[]", "[7]"}, {"[7, 7]"});
  expect_refused(R"({"type": "array", "items": {"type": "string"}, "uniqueItems": true})", "keyword 'uniqueItems'");
  expect_refused(R"({"type": "array", "items": {"enum": [1, 2, 3, 4, 5]}, "uniqueItems": true})",
                 "keyword 'uniqueItems'");
}

TEST(SchemaConditions, ThoseThatSayNothing) {
  expect(R"({"type": "string", "then": {"minLength": 3}, "else": false})", {R"("a")"}, {"1"});
  expect(R"({"type": "string", "if": {"minLength": 3}})", {R"("a")"}, {"1"});
  expect(R"({"type": "object", "dependentRequired": {}, "dependentSchemas": {"a": true}, "dependencies": {"b": []}})",
         {"{}"}, {"1"});
  expect(R"({"type": "array", "minContains": 3, "unevaluatedItems": true, "not": false})", {"[]"}, {"1"});
  expect(R"({"type": "integer", "not": {"not": {}}})", {"1"}, {"\"a\""});
}

TEST(SchemaConditions, NeverIsNotEmpty) {
  expect(
      R"({"type": "object", "properties": {"a": {"type": "null"}, "b": {"not": {}}},
             "additionalProperties": {"not": {}}})",
      {R"({"a": null})", "{}"}, {R"({"b": 1})", R"({"c": 1})"});
}

TEST(SchemaConditions, UnevaluatedWithoutApplicators) {
  expect(R"({"type": "object", "properties": {"a": {}}, "unevaluatedProperties": false})", {R"({"a": 1})"},
         {R"({"b": 1})"});
  expect(R"({"type": "array", "prefixItems": [{"type": "null"}], "unevaluatedItems": false})", {"[null]"},
         {"[null, 1]"});
  expect_refused(R"({"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": false})",
                 "keyword 'unevaluatedProperties' is not supported: close each schema");
}

TEST(SchemaDialects, OldOnesAreNamed) {
  expect_refused(R"({"$schema": "http://json-schema.org/draft-03/schema#", "type": "integer"})", "/$schema: ");
  expect_refused(R"({"divisibleBy": 2})", "keyword 'divisibleBy' is not supported: it is of draft 3: use multipleOf");
  expect_refused(R"({"disallow": "integer"})", "keyword 'disallow' is not supported");
  expect_refused(R"({"properties": {"a": {"extends": {}}}})", "/properties/a: keyword 'extends' is not supported");
  expect_refused(R"({"type": "any"})", "/type: \"any\" is no type of JSON");
  expect_refused(R"({"properties": {"a": {"required": true}}})", "/properties/a/required: must be an array of names");
}

TEST(SchemaReferences, ToNestedIds) {
  expect(
      R"({"$id": "http://x.org/root.json", "$ref": "item.json",
             "$defs": {"i": {"$id": "item.json", "type": "integer"}}})",
      {"1"}, {"\"1\""});
  expect(
      R"({"$id": "Node", "type": "object", "properties": {"next": {"$ref": "Node"}}, "additionalProperties": false})",
      {R"({"next": {"next": {}}})"}, {R"({"next": 1})"});
  expect(R"({"$ref": "#here", "$defs": {"a": {"$anchor": "here", "type": "null"}}})", {"null"}, {"1"});
  expect(R"({"$ref": "inner#/$defs/x", "$defs": {"x": {"type": "string"},
             "i": {"$id": "inner", "$defs": {"x": {"type": "integer"}}}}})",
         {"1"}, {"\"1\""});
  expect(R"({"properties": {"a": {"$ref": "#/$defs/i"}}, "required": ["a"], "type": "object",
             "$defs": {"x": {"type": "string"}, "i": {"$id": "http://y/i",
                                                      "$ref": "#/$defs/x", "$defs": {"x": {"type": "integer"}}}}})",
         {R"({"a": 1})"}, {R"({"a": "1"})"});
  expect_refused(R"({"items": {"$ref": "other.json"}})", "/items/$ref: 'other.json' is not supported");
}

// Drafts 4 to 7: what stands beside a $ref does not count.
TEST(SchemaReferences, AloneInOldDrafts) {
  expect(R"({"$schema": "http://json-schema.org/draft-07/schema#", "$ref": "#/definitions/a", "type": "string",
             "definitions": {"a": {"type": "integer"}}})",
         {"1"}, {"\"1\""});
}

TEST(SchemaMessages, AOneOfIsNamedWithItsPlace) {
  expect_refused(
      R"({"type": "object", "properties": {"a": {"oneOf": [{"type": "string", "minLength": 2}, {"type": "string"}]}}})",
      "schema: /properties/a/oneOf: a oneOf is supported where it is plain that");
}

}  // namespace
}  // namespace glimt::test
