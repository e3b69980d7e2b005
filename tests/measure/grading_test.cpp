#include "measure/grading.h"

#include "base/file.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

Question question(std::string_view expect) {
  return read_question(
      parse_json(
          fmt::format(R"({{"task": "t", "messages": [{{"role": "user", "content": "q"}}], "expect": {}}})", expect),
          "q"),
      "q");
}

ToolCall call(std::string name, std::string_view arguments) {
  return {std::move(name), parse_json(arguments, "arguments").as_object()};
}

TEST(Grading, ContentMustBeEqual) {
  const Question q = question(R"({"content": "Oslo."})");
  EXPECT_TRUE(is_right(q, {"thoughts", "Oslo.", {}}));
  EXPECT_TRUE(is_right(q, {"", "Oslo.\n", {}}));
  EXPECT_FALSE(is_right(q, {"", "Oslo", {}}));
  EXPECT_FALSE(is_right(q, {"Oslo.", "", {}}));
  EXPECT_FALSE(is_right(q, {"", "Oslo.", {call("f", "{}")}}));
}

TEST(Grading, ContainsNeedsAllParts) {
  const Question q = question(R"({"contains": ["Once", "end"]})");
  EXPECT_TRUE(is_right(q, {"", "Once … the end.", {}}));
  EXPECT_FALSE(is_right(q, {"", "Once upon", {}}));
  EXPECT_FALSE(is_right(q, {"end", "Once", {}}));
}

TEST(Grading, CallsMustBeTheSameInOrder) {
  const Question q =
      question(R"({"tool_calls": [{"name": "a", "arguments": {"x": 1, "y": "s"}}, {"name": "b", "arguments": {}}]})");
  EXPECT_TRUE(is_right(q, {"", "", {call("a", R"({"y": "s", "x": 1})"), call("b", "{}")}}));
  EXPECT_FALSE(is_right(q, {"", "", {call("b", "{}"), call("a", R"({"x": 1, "y": "s"})")}}));
  EXPECT_FALSE(is_right(q, {"", "", {call("a", R"({"x": "1", "y": "s"})"), call("b", "{}")}}));
  EXPECT_FALSE(is_right(q, {"", "", {call("a", R"({"x": 1, "y": "s"})")}}));
  EXPECT_FALSE(is_right(q, {"", "", {}}));
}

TEST(Grading, WellFormedCallsFitTheirSchema) {
  const ToolSchemas tools(
      parse_json(R"([{"name": "a", "parameters": {"properties": {"x": {"type": "integer"}, "y": {"type": "string"}},
      "required": ["x"]}}, {"name": "b"}])",
                 "tools")
          .as_array());
  EXPECT_TRUE(is_well_formed({"", "", {call("a", R"({"x": 1})")}}, tools));
  EXPECT_TRUE(is_well_formed({"", "", {call("a", R"({"x": 1, "y": "s"})"), call("b", "{}")}}, tools));
  EXPECT_FALSE(is_well_formed({"", "", {}}, tools));
  EXPECT_FALSE(is_well_formed({"", "", {call("c", "{}")}}, tools));
  EXPECT_FALSE(is_well_formed({"", "", {call("a", R"({"y": "s"})")}}, tools)) << "a required argument is missing";
  EXPECT_FALSE(is_well_formed({"", "", {call("a", R"({"x": "one"})")}}, tools)) << "of the wrong type";
  EXPECT_FALSE(is_well_formed({"", "", {call("a", R"({"x": 1, "z": 2})")}}, tools)) << "undeclared";
  EXPECT_FALSE(is_well_formed({"", "<tool_call>a", {call("b", "{}")}}, tools)) << "half a call is left in the text";
}

TEST(Grading, BadQuestionsAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"7", "q: an object"},
      {R"({"messages": [], "expect": {"content": "x"}})", "field 'task'"},
      {R"({"task": "t", "expect": {"content": "x"}})", "field 'messages'"},
      {R"({"task": "t", "messages": []})", "field 'expect'"},
      {R"({"task": "t", "messages": [], "expect": {}})", "must have content, contains or tool_calls"},
      {R"({"task": "t", "messages": [], "expect": {"content": 5}})", "field 'content'"},
      {R"({"task": "t", "messages": [], "expect": {"tool_calls": [{"name": "a"}]}})", "field 'arguments'"},
      {R"({"task": "t", "messages": [], "expect": {"tool_calls": ["a"]}})", "an object for each call"},
      {R"({"task": "t", "messages": [], "expect": {"contains": [1]}})", "'contains' must hold strings"},
  };
  for (const auto& [text, wanted] : cases) {
    try {
      read_question(parse_json(text, "q"), "q");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr(wanted)) << text;
    }
  }
}

TEST(Grading, FilesAreReadByLine) {
  const std::filesystem::path file = std::filesystem::path(testing::TempDir()) / "questions.jsonl";
  const std::string line = R"({"task": "t", "messages": [], "expect": {"content": "x"}})";
  write_file_atomically(file, line + "\n\n" + line + "\r\n" + line);
  EXPECT_EQ(read_questions(file, 0).size(), 3U);
  EXPECT_EQ(read_questions(file, 2).size(), 2U);
  write_file_atomically(file, line + "\n\n{");
  try {
    read_questions(file, 0);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("questions.jsonl:3"));
  }
  write_file_atomically(file, "\n");
  EXPECT_THROW(read_questions(file, 0), Error);
  std::filesystem::remove(file);
}

TEST(Grading, TheDemoQuestionsAreReadable) {
  const auto questions =
      read_questions(std::filesystem::path(GLIMT_SOURCE_DIR) / "models/demo/eval/questions.jsonl", 0);
  EXPECT_EQ(questions.size(), 500U);
}

}  // namespace
}  // namespace glimt
