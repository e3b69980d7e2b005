#include "chat/tool_schemas.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

ToolSchemas with_parameter(std::string_view schema) {
  return ToolSchemas(parse_json(fmt::format(R"([{{"type": "function", "function": {{"name": "f", "parameters": {{
      "type": "object", "$defs": {{"Name": {{"type": "string"}}, "Loop": {{"$ref": "#/$defs/Loop"}},
      "Tree": {{"anyOf": [{{"$ref": "#/$defs/Tree"}}, {{"$ref": "#/$defs/Tree"}}, {{"$ref": "#/$defs/Tree"}}]}}}},
      "properties": {{"p": {}}}}}}}}}])",
                                            schema),
                                "tools")
                         .as_array());
}

std::string read(std::string_view schema, std::string_view raw) {
  return dump_json(with_parameter(schema).argument("f", "p", raw));
}

struct Reading {
  std::string schema;
  std::string raw;
  std::string json;
};

TEST(ToolSchemas, ReadsArguments) {
  const std::vector<Reading> readings = {
      {R"({"type": "string"})", "42", R"("42")"},
      {R"({"type": "string"})", " {\"a\": 1}\n", R"(" {\"a\": 1}\n")"},
      {R"({"type": "string"})", "\"quoted\"", R"("\"quoted\"")"},
      {R"({"type": "string", "enum": ["1", "2"]})", "1", R"("1")"},
      {R"({"enum": ["1", "2"]})", "1", R"("1")"},
      {R"({"enum": ["a", 1, null]})", "1", "1"},
      {R"({"enum": ["a", 1, null]})", "null", "null"},
      {R"({"enum": ["a", 1, null]})", "true", R"("true")"},
      {R"({"const": "7"})", "7", R"("7")"},
      {R"({"type": "integer"})", "42", "42"},
      {R"({"type": "integer"})", " 42\n", "42"},
      {R"({"type": "integer"})", "4.5", "4.5"},
      {R"({"type": "integer"})", "1500000000000000000001", "1500000000000000000001"},
      {R"({"type": ["string", "integer"]})", "-1500000000000000000001", "-1500000000000000000001"},
      {R"({"type": ["string", "null"]})", "1500000000000000000001", R"("1500000000000000000001")"},
      {R"({"type": "object"})", "{\"a\": [36893488147419103232]}", R"({"a": [36893488147419103232]})"},
      {R"({"type": "integer"})", "forty", R"("forty")"},
      {R"({"type": "integer"})", "", R"("")"},
      {R"({"type": "number"})", "1e3", "1000.0"},
      {R"({"type": "number"})", "0.21573197194324932", "0.2157319719432493"},
      {R"({"type": "number"})", "1e999", R"("1e999")"},
      {R"({"type": "number"})", "NaN", R"("NaN")"},
      {R"({"type": "boolean"})", "true", "true"},
      {R"({"type": "boolean"})", "True", R"("True")"},
      {R"({"type": "array"})", "[1, [2], \"x\"]", R"([1, [2], "x"])"},
      {R"({"type": "array", "items": {"type": "string"}})", "[\"a\"", R"("[\"a\"")"},
      {R"({"type": "object"})", "{\"b\": 1, \"a\": 2}", R"({"b": 1, "a": 2})"},
      {R"({"type": ["string", "null"]})", "null", "null"},
      {R"({"type": ["string", "null"]})", "42", R"("42")"},
      {R"({"type": ["string", "integer"]})", "42", "42"},
      {R"({"type": ["string", "integer"]})", "4.5", R"("4.5")"},
      {R"({"type": ["string", "number"]})", "42", "42"},
      {R"({"type": ["string", "number"]})", "\"42\"", R"("\"42\"")"},
      {R"({"type": ["integer", "null"]})", "null", "null"},
      {R"({"type": "string", "nullable": true})", "null", "null"},
      {R"({"type": "string", "nullable": true})", "true", R"("true")"},
      {R"({"anyOf": [{"type": "string"}, {"type": "null"}]})", "[1]", R"("[1]")"},
      {R"({"anyOf": [{"type": "array"}, {"type": "null"}]})", "[1]", "[1]"},
      {R"({"oneOf": [{"type": "string"}, {"type": "array"}]})", "[1]", "[1]"},
      {R"({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]})", "null", R"("null")"},
      {R"({"$ref": "#/$defs/Name"})", "12", R"("12")"},
      {R"({"$ref": "#/$defs/Loop"})", "12", "12"},
      {R"({"$ref": "#/$defs/Tree"})", "12", "12"},
      {R"({"$ref": "#/nowhere"})", "12", "12"},
      {R"({"$ref": "http://example.com/schema"})", "12", "12"},
      {"{}", "12", "12"},
      {"{}", "\"x\"", R"("\"x\"")"},
      {"{}", "x", R"("x")"},
      {"true", "[1]", "[1]"},
      {R"({"type": "string or so"})", "12", "12"},
      {R"({"type": 5})", "12", "12"},
      {R"({"allOf": [{"type": "string"}, {"type": "array"}]})", "12", "12"},  // contradicts itself
  };
  for (const Reading& r : readings) EXPECT_EQ(read(r.schema, r.raw), r.json) << r.schema << " reading " << r.raw;
}

TEST(ToolSchemas, UnknownToolsAndArgumentsHaveNoSchema) {
  const ToolSchemas schemas = with_parameter(R"({"type": "string"})");
  EXPECT_EQ(schemas.argument("g", "p", "1"), 1);
  EXPECT_EQ(schemas.argument("f", "q", "1"), 1);
  EXPECT_EQ(schemas.find("g"), nullptr);
}

TEST(ToolSchemas, AdditionalPropertiesTypeOtherArguments) {
  const ToolSchemas schemas(
      parse_json(R"([{"name": "f", "parameters": {"additionalProperties": {"type": "string"}}}])", "t").as_array());
  EXPECT_EQ(schemas.argument("f", "anything", "1"), "1");
}

TEST(ToolSchemas, ReadsBothFormsAndRequired) {
  const ToolSchemas schemas(parse_json(R"([
    {"name": "a", "parameters": {"properties": {"x": {"type": "integer"}}, "required": ["x"]}},
    {"type": "function", "function": {"name": "b"}}])",
                                       "tools")
                                .as_array());
  ASSERT_NE(schemas.find("a"), nullptr);
  EXPECT_THAT(schemas.find("a")->required, testing::ElementsAre("x"));
  ASSERT_NE(schemas.find("b"), nullptr);
  EXPECT_TRUE(schemas.find("b")->required.empty());
}

TEST(ToolSchemas, BadToolsAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"[1]", "tools[0]"},
      {R"([{"function": {}}])", "tools[0].function: field 'name'"},
      {R"([{"name": "a"}, {"name": ""}])", "tools[1]: field 'name'"},
      {R"([{"name": "a", "parameters": []}])", "field 'parameters'"},
      {R"([{"function": 3}])", "field 'function'"},
  };
  for (const auto& [tools, wanted] : cases) {
    try {
      ToolSchemas schemas(parse_json(tools, "tools").as_array());
      ADD_FAILURE() << tools;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_request);
      EXPECT_THAT(error.what(), testing::HasSubstr(wanted));
    }
  }
}

TEST(ToolSchemas, DeepArgumentsStayText) {
  const std::string deep(5000, '[');
  EXPECT_TRUE(with_parameter("{}").argument("f", "p", deep + std::string(5000, ']')).is_string());
}

}  // namespace
}  // namespace glimt
