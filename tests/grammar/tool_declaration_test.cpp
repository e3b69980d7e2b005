#include "grammar/tool_declaration.h"

#include "base/throws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt::test {
namespace {

using testing::HasSubstr;

ToolDeclaration read(std::string_view text) { return tool_declaration(parse_json(text, "test"), "tools[4]"); }

TEST(ToolDeclaration, FormsOfAllClientsMeanTheSame) {
  const std::vector<std::pair<std::string, std::string>> forms = {
      {R"({"type": "function", "function": {"name": "f", "description": "D", "strict": true,
           "parameters": {"type": "object"}}})",
       "tools[4].function.parameters"},
      {R"({"function": {"name": "f", "description": "D", "parameters": {"type": "object"}}})",
       "tools[4].function.parameters"},
      {R"({"type": "function", "name": "f", "description": "D", "parameters": {"type": "object"}})",
       "tools[4].parameters"},
      {R"({"name": "f", "description": "D", "parameters": {"type": "object"}})", "tools[4].parameters"},
      {R"({"name": "f", "description": "D", "input_schema": {"type": "object"}})", "tools[4].input_schema"},
      {R"({"type": "custom", "name": "f", "description": "D", "input_schema": {"type": "object"},
           "cache_control": {"type": "ephemeral"}})",
       "tools[4].input_schema"},
      {R"({"name": "f", "description": "D", "inputSchema": {"type": "object"}, "annotations": {"title": "F"}})",
       "tools[4].inputSchema"},
  };
  for (const auto& [text, where] : forms) {
    const ToolDeclaration tool = read(text);
    EXPECT_EQ(tool.name, "f") << text;
    EXPECT_EQ(tool.description, "D") << text;
    EXPECT_EQ(dump_json(tool.parameters), R"({"type": "object"})") << text;
    EXPECT_EQ(tool.parameters_where, where) << text;
  }
}

TEST(ToolDeclaration, ParametersAndDescriptionMayBeMissing) {
  for (const char* text :
       {R"({"name": "f"})", R"({"type": "function", "function": {"name": "f", "parameters": null}})"}) {
    const ToolDeclaration tool = read(text);
    EXPECT_EQ(dump_json(tool.parameters), "{}") << text;
    EXPECT_EQ(tool.description, "") << text;
  }
}

TEST(ToolDeclaration, BadOnesAreNamed) {
  const auto refuses = [](std::string_view text, const std::string& message) {
    EXPECT_ERROR(read(text), ErrorKind::invalid_request, HasSubstr(message));
  };
  refuses("3", "tools[4]: must be an object, got 3");
  refuses("{}", "tools[4]: field 'name' is missing");
  refuses(R"({"function": {}})", "tools[4].function: field 'name' is missing");
  refuses(R"({"function": 3})", "tools[4]: field 'function'");
  refuses(R"({"name": ""})", "tools[4]: field 'name' must not be empty");
  refuses(R"({"name": "f", "parameters": []})", "tools[4]: field 'parameters'");
  refuses(R"({"name": "f", "input_schema": "{}"})", "tools[4]: field 'input_schema'");
  refuses(R"({"name": "f", "parameters": {}, "inputSchema": {}})", "tools[4]: has 'parameters' and 'inputSchema'");
  refuses(R"({"type": "web_search_20250305", "name": "web_search"})",
          "tools[4]: a tool of type 'web_search_20250305' is not supported");
  refuses(R"({"type": "custom", "custom": {"name": "f"}})", "tools[4]: a tool of type 'custom' is not supported");
}

TEST(ToolDeclaration, NamesDiffer) {
  const auto read_all = [](std::string_view text) { return tool_declarations(parse_json(text, "tools").get_array()); };
  EXPECT_EQ(read_all(R"([{"name": "f"}, {"function": {"name": "g"}}])").size(), 2U);
  EXPECT_ERROR(read_all(R"([{"name": "f"}, {"name": "g"}, {"function": {"name": "f"}}])"), ErrorKind::invalid_request,
               HasSubstr("tools[2]: the name 'f' is that of tools[0]"));
}

}  // namespace
}  // namespace glimt::test
