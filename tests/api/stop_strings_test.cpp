#include "api/stop_strings.h"

#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr ApiField kFields[] = {{"stop", ApiField::Use::honoured, "{}", ""}};
constexpr ApiObject kTable{"Test", kFields};

std::vector<std::string> stops(std::string_view value) {
  std::vector<std::string> ignored;
  const json::object object = object_of(fmt::format(R"({{"stop": {}}})", value));
  return read_stop_strings(FieldReader(object, kTable, "", UnknownFields::refuse, ignored), "stop");
}

std::string message(std::string_view value) {
  return problem_from([&] { stops(value); }).message;
}

TEST(StopStrings, OneOrAList) {
  EXPECT_THAT(stops("null"), IsEmpty());
  EXPECT_THAT(stops("[]"), IsEmpty());
  EXPECT_THAT(stops(R"("a")"), ElementsAre("a"));
  EXPECT_THAT(stops(R"(["a", "\n"])"), ElementsAre("a", "\n"));
}

TEST(StopStrings, WhatIsNone) {
  EXPECT_EQ(message("1"), "stop: must be a string, got 1");
  EXPECT_EQ(message(R"("")"), "stop: must not be empty");
  EXPECT_EQ(message(R"(["a", ""])"), "stop[1]: must not be empty");
  EXPECT_EQ(message(R"([null])"), "stop[0]: must be a string, got null");
}

TEST(StopStrings, TheLimitsAreNamed) {
  std::string list = "[\"0\"";
  for (int i = 1; i < 32; ++i) list += fmt::format(R"(, "{}")", i);
  EXPECT_EQ(stops(list + "]").size(), 32U);
  EXPECT_EQ(message(list + R"(, "x"])"), "stop: must have at most 32 entries, got 33");
  EXPECT_EQ(message(fmt::format(R"("{}")", std::string(1025, 'x'))), "stop: must have at most 1024 bytes, got 1025");
}

}  // namespace
}  // namespace glimt
