#include "chat/loose_call.h"

#include "chat/output_corpus.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

std::string read(std::string_view text) {
  const std::optional<ToolCall> call = read_loose_call(text, tools());
  return call ? call->name + " " + dump_json(call->arguments) : "";
}

TEST(LooseCall, ReadsJson) {
  EXPECT_EQ(read(R"({"name": "add", "arguments": {"a": 12234585, "b": 48838483920}})"),
            R"(add {"a": 12234585, "b": 48838483920})");
  EXPECT_EQ(read(R"( {"name": "add", "parameters": {"a": 1}} )"), R"(add {"a": 1})");
  EXPECT_EQ(read(R"({"name": "add", "arguments": "{\"a\": 1}"})"), R"(add {"a": 1})");
  EXPECT_EQ(read(R"({"type": "function", "function": {"name": "add", "arguments": {"a": 1}}})"), R"(add {"a": 1})");
  EXPECT_EQ(read(R"({"name": "get_time"})"), "get_time {}");
}

TEST(LooseCall, ReadsANameAndJson) {
  EXPECT_EQ(read(R"(add {"a": 1, "b": 2})"), R"(add {"a": 1, "b": 2})");
  EXPECT_EQ(read("weather\n{\"city\": \"Oslo\"}\n"), R"(weather {"city": "Oslo"})");
  EXPECT_EQ(read(R"(weather({"city": "Oslo"}))"), R"(weather {"city": "Oslo"})");
}

TEST(LooseCall, ReadsAssignments) {
  EXPECT_EQ(read("add a=1 b=2.5"), R"(add {"a": 1, "b": 2.5})");
  EXPECT_EQ(read("add(a=1, b = -2)"), R"(add {"a": 1, "b": -2})");
  EXPECT_EQ(read(R"(weather city="Oslo, \"old\"" days=3)"), R"(weather {"city": "Oslo, \"old\"", "days": 3})");
  EXPECT_EQ(read("weather(city='New York', units=null)"), R"(weather {"city": "New York", "units": null})");
  EXPECT_EQ(read("weather city=12"), R"(weather {"city": "12"})") << "a string by its schema";
  EXPECT_EQ(read("get_time()"), "get_time {}");
}

TEST(LooseCall, EverythingElseIsNone) {
  for (const std::string_view text : {
           "",
           "add",
           "unknown a=1",
           "unknown {\"a\": 1}",
           R"({"name": "unknown", "arguments": {}})",
           R"({"name": "add", "arguments": {"a": 1})",
           R"({"name": "add", "arguments": [1]})",
           R"({"name": "add", "arguments": "a"})",
           R"({"name": 3})",
           R"({"arguments": {}})",
           "[]",
           R"(add {"a": 1} and more)",
           "add a=1",
           "add a=1 b=two",
           "add a=1 b=2 c=3",
           "add a=1 a=1 b=2",
           "add a=1 b=2 to the rest",
           "add a = b",
           "add a=1b=2",
           "weather city=\"Oslo",
           "weather city='Oslo'days=3",
           "weather city=",
           "weather(city='Oslo'",
           "weather city=f(x)",
           "weather city",
           "add = =",
       }) {
    EXPECT_EQ(read(text), "") << text;
  }
}

}  // namespace
}  // namespace glimt
