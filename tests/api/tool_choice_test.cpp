#include "api/tool_choice.h"

#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using Mode = ToolChoice::Mode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

ChatRequest with_tools(std::string_view tools = R"([{"name": "a"}, {"name": "b"}])") {
  ChatRequest request;
  request.tools = parse_json(tools, "tools").as_array();
  return request;
}

ChatRequest applied(const ToolChoice& choice) {
  ChatRequest request = with_tools();
  request.constraint = JsonObjectOutput{};
  apply_tool_choice(choice, "tool_choice", request);
  return request;
}

TEST(ToolChoice, FreeLeavesTheFormOfTheAnswer) {
  const ChatRequest request = applied({});
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(request.constraint));
  EXPECT_FALSE(request.tool_use.banned);
  EXPECT_TRUE(request.tool_use.parallel);
  EXPECT_THAT(request.tool_use.allowed, IsEmpty());
}

TEST(ToolChoice, NoneBansCallsAndKeepsTheTools) {
  const ChatRequest request = applied({.mode = Mode::none});
  EXPECT_TRUE(request.tool_use.banned);
  EXPECT_EQ(request.tools.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(request.constraint));
}

TEST(ToolChoice, ARequiredCallIsAConstraint) {
  const ChatRequest request = applied({.mode = Mode::required, .allowed = {"b"}, .parallel = false});
  EXPECT_TRUE(std::holds_alternative<ToolCallOutput>(request.constraint));
  EXPECT_THAT(request.tool_use.allowed, ElementsAre("b"));
  EXPECT_FALSE(request.tool_use.parallel);
}

TEST(ToolChoice, ASubsetIsFree) {
  const ChatRequest request = applied({.mode = Mode::automatic, .allowed = {"a"}});
  EXPECT_TRUE(std::holds_alternative<JsonObjectOutput>(request.constraint));
  EXPECT_THAT(request.tool_use.allowed, ElementsAre("a"));
}

TEST(ToolChoice, WithoutToolsNothingCanBeWanted) {
  ChatRequest none;
  for (const ToolChoice& choice : {ToolChoice{.mode = Mode::required}, ToolChoice{.allowed = {"a"}}}) {
    EXPECT_EQ(problem_from([&] { apply_tool_choice(choice, "tool_choice", none); }).message,
              "tool_choice: is only allowed when 'tools' are given");
  }
  EXPECT_NO_THROW(apply_tool_choice({}, "tool_choice", none));
  EXPECT_NO_THROW(apply_tool_choice({.mode = Mode::none}, "tool_choice", none));
  EXPECT_FALSE(none.tool_use.banned);
}

TEST(ToolChoice, UnknownAndRepeatedNames) {
  ChatRequest request = with_tools();
  EXPECT_EQ(problem_from([&] {
              apply_tool_choice({.allowed = {"a", "c"}}, "tool_choice", request);
            }).message,
            R"(tool_choice: no tool is called "c")");
  ChatRequest twice = with_tools(R"([{"name": "a"}, {"name": "a"}])");
  const Problem problem = problem_from([&] { apply_tool_choice({}, "tool_choice", twice); });
  EXPECT_EQ(problem.status, 400);
  EXPECT_THAT(problem.message, HasSubstr("names must differ"));
}

}  // namespace
}  // namespace glimt
