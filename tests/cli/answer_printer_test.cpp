#include "cli/answer_printer.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

std::string printed(AnswerStyle style, const std::vector<OutputEvent>& events) {
  char* buffer = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&buffer, &size);
  AnswerPrinter printer(file, style);
  for (const OutputEvent& event : events) EXPECT_TRUE(printer.print(event));
  printer.finish();
  std::fclose(file);
  std::string text(buffer, size);
  std::free(buffer);
  return text;
}

const std::vector<OutputEvent> kAnswer = {ThinkingDelta{"I th"}, ThinkingDelta{"ink"}, ContentDelta{"Hi"},
                                          ContentDelta{" you"}};

TEST(AnswerPrinter, DimsTheThinking) {
  EXPECT_EQ(printed({.color = true, .thinking = true, .terminal = true}, kAnswer), "\033[2mI think\033[0m\n\nHi you\n");
}

TEST(AnswerPrinter, PlainOutputIsTheAnswerAlone) {
  EXPECT_EQ(printed({.color = false, .thinking = false, .terminal = false}, kAnswer), "Hi you\n");
  EXPECT_EQ(printed({.color = false, .thinking = true, .terminal = false}, kAnswer), "I think\n\nHi you\n");
}

TEST(AnswerPrinter, EndsWithOneNewline) {
  EXPECT_EQ(printed({}, {ContentDelta{"Hi\n"}}), "Hi\n");
  EXPECT_EQ(printed({}, {}), "");
}

TEST(AnswerPrinter, AnUnfinishedThinkingEndsTheDimming) {
  EXPECT_EQ(printed({.color = true, .thinking = true, .terminal = true}, {ThinkingDelta{"I"}}), "\033[2mI\033[0m\n");
}

TEST(AnswerPrinter, ShowsCallsALineEach) {
  const ToolCall call{"weather", {{"city", "Oslo"}}};
  const std::vector<OutputEvent> events = {ContentDelta{"Let me see."}, ToolCallStart{0, "weather"},
                                           ToolCallComplete{0, call}, ToolCallComplete{1, call}, ContentDelta{"Done."}};
  EXPECT_EQ(printed({}, events),
            "Let me see.\n[call] weather {\"city\": \"Oslo\"}\n[call] weather {\"city\": \"Oslo\"}\nDone.\n");
}

TEST(AnswerPrinter, ShowsACallThatWasCutAsItWasWritten) {
  EXPECT_EQ(printed({}, {ContentDelta{"Let me see."}, ToolCallCut{0, " <tool_call>wea", false}}),
            "Let me see. <tool_call>wea\n");
}

TEST(AnswerPrinter, ControlCharactersDoNotReachTheTerminal) {
  const std::string evil =
      "a\033]0;title\007b\r\x9b\xC2\x9B"
      "c\td\n\x7F"
      "é";
  EXPECT_EQ(without_controls(evil), "a\uFFFD]0;title\uFFFDb\uFFFD\x9b\uFFFDc\td\n\uFFFDé");
  EXPECT_EQ(printed({.color = false, .thinking = true, .terminal = true}, {ContentDelta{"\033[31mred"}}),
            "\uFFFD[31mred\n");
  EXPECT_EQ(printed({}, {ContentDelta{"\033[31mred"}}), "\033[31mred\n");  // a file gets what the model wrote
}

TEST(AnswerPrinter, TellsWhenTheOutputIsFull) {
  std::FILE* full = std::fopen("/dev/full", "w");
  if (full == nullptr) GTEST_SKIP() << "no /dev/full";
  AnswerPrinter printer(full, {});
  EXPECT_FALSE(printer.print(ContentDelta{"x"}));
  std::fclose(full);
}

}  // namespace
}  // namespace glimt
