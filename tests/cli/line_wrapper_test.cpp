#include "cli/line_wrapper.h"

#include "cli/display_width.h"

#include <gtest/gtest.h>

namespace glimt {
namespace {

// The text wrapped at `width` columns, pushed in pieces of `step` characters.
std::string wrapped(std::string_view text, std::size_t width, std::size_t step = 1000) {
  LineWrapper wrapper([width] { return width; });
  std::string out;
  while (!text.empty()) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < step && bytes < text.size(); ++i) bytes += first_character(text.substr(bytes)).bytes;
    out += wrapper.push(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  out += wrapper.flush();
  return out;
}

TEST(LineWrapper, BreaksBetweenWords) {
  EXPECT_EQ(wrapped("The quick brown fox jumps over it", 20), "The quick brown fox\njumps over it");
  EXPECT_EQ(wrapped("exactly twenty chars next", 20), "exactly twenty chars\nnext");
  EXPECT_EQ(wrapped("a   b\n\n  c \n", 20), "a   b\n\n  c \n");
  EXPECT_EQ(wrapped("many      spaces   are kept", 20), "many      spaces\nare kept");
  EXPECT_EQ(wrapped("a averyveryverylongwordthatdoesnotfit in", 20), "a\naveryveryverylongwordthatdoesnotfit\nin");
  EXPECT_EQ(wrapped("tab\tbehind tab\tmore", 20), "tab\tbehind tab\nmore");
}

TEST(LineWrapper, BreaksBetweenWideCharacters) {
  EXPECT_EQ(wrapped("你好，世界！这是一个很长的句子，需要换行。「引用」", 20),
            "你好，世界！这是一个\n很长的句子，需要换\n行。「引用」");
  EXPECT_EQ(wrapped("一二三四五六七八九「十」", 20), "一二三四五六七八九\n「十」");  // nothing is left open
  EXPECT_EQ(wrapped("English和中文mixed一二三四", 20), "English和中文mixed一\n二三四");
  EXPECT_EQ(
      wrapped("e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301", 20),
      "e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301e\u0301");
}

TEST(LineWrapper, CodeAndTablesStayAsTheyAre) {
  const std::string code = "```cpp\nint main() { return 0; } // a long line of code\n  ```\n";
  EXPECT_EQ(wrapped(code + "and words wrap again here", 20), code + "and words wrap again\nhere");
  EXPECT_EQ(wrapped("~~~\na b c d e f g h i j k l m n\n~~~\n", 20), "~~~\na b c d e f g h i j k l m n\n~~~\n");
  EXPECT_EQ(wrapped("| a | b | c | d | e | f |\n", 20), "| a | b | c | d | e | f |\n");
  EXPECT_EQ(wrapped("a `b c d e f g h i j` ```k l m", 20), "a `b c d e f g h i\nj` ```k l m");
}

TEST(LineWrapper, DoesNotDependOnHowTheTextIsCut) {
  const std::string text =
      "The quick brown 狐狸，jumps over\tthe lazy 「狗」.\n```\na b c d e f g h i j k l m\n```\nend of it all";
  const std::string whole = wrapped(text, 20);
  for (std::size_t step = 1; step < 12; ++step) EXPECT_EQ(wrapped(text, 20, step), whole) << step;
}

TEST(LineWrapper, FollowsTheWidth) {
  std::size_t width = 40;
  LineWrapper wrapper([&width] { return width; });
  std::string out = wrapper.push("one two three four five six ");
  width = 30;
  out += wrapper.push("seven eight nine ten eleven ");
  EXPECT_EQ(out, "one two three four five six\nseven eight nine ten eleven");
  EXPECT_EQ(wrapped("The quick brown fox jumps over it", 19), "The quick brown fox jumps over it");  // too narrow
  EXPECT_EQ(wrapped("The quick brown fox jumps over it", 0), "The quick brown fox jumps over it");
}

TEST(LineWrapper, HoldsBackAWordOnly) {
  LineWrapper wrapper([] { return 20; });
  EXPECT_EQ(wrapper.push("one tw"), "one");
  EXPECT_EQ(wrapper.push("o thr"), " two");
  EXPECT_EQ(wrapper.flush(), " thr");
  wrapper.start_line();
  EXPECT_EQ(wrapper.push("a b c d e f g h i j k "), "a b c d e f g h i j\nk");
}

TEST(InColumns, WrapsTheRightSide) {
  EXPECT_EQ(in_columns("  /set [NAME]", "show all settings or one, or set one", 16, 40),
            "  /set [NAME]   show all settings or\n                one, or set one\n");
  EXPECT_EQ(in_columns("  a long left side", "right", 10, 40), "  a long left side\n          right\n");
}

TEST(DisplayWidth, CountsColumns) {
  EXPECT_EQ(display_width("abc é"), 5U);
  EXPECT_EQ(display_width("日本"), 4U);
  EXPECT_EQ(display_width("e\u0301🙂️"), 3U);
  EXPECT_EQ(display_width("\xFFz"), 2U);
}

}  // namespace
}  // namespace glimt
