#include "text/utf8.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace glimt {
namespace {

const std::string kBad = "\uFFFD";

std::string assembled(std::string_view bytes, std::size_t chunk) {
  Utf8Assembler assembler;
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += chunk) assembler.push(bytes.substr(at, chunk), out);
  assembler.finish(out);
  EXPECT_FALSE(assembler.holds_bytes());
  return out;
}

// The table of the Unicode standard (3.9, "maximal subparts") and what Python's bytes.decode(errors="replace") gives.
TEST(Utf8, ReplacesEveryMaximalPart) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},
      {"a\u00e9\u65e5\U0001F642z", "a\u00e9\u65e5\U0001F642z"},
      {"\x80", kBad},
      {"\xC0\xAF", kBad + kBad},
      {"\xE0\x80\xAF", kBad + kBad + kBad},
      {"\xED\xA0\x80", kBad + kBad + kBad},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", kBad + kBad + kBad + kBad + kBad + "A" + kBad + kBad + "B"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", kBad + kBad + kBad + kBad + "A"},
      {"\xF0\x9F\x99", kBad},
      {"\xE2\x82"
       "a",
       kBad + "a"},
      {"\xC3\xC3\xA9", kBad + "\u00e9"},
      {"\xF4\x8F\xBF\xBF", "\U0010FFFF"},
      {"\xEE\x80\x80\xED\x9F\xBF", "\uE000\uD7FF"},
  };
  for (const auto& [bytes, text] : cases) {
    for (std::size_t chunk = 1; chunk <= 4; ++chunk) EXPECT_EQ(assembled(bytes, chunk), text) << chunk;
  }
}

TEST(Utf8, HoldsBackAnIncompleteCharacter) {
  Utf8Assembler assembler;
  std::string out;
  assembler.push("a\xF0\x9F", out);
  EXPECT_EQ(out, "a");
  EXPECT_TRUE(assembler.holds_bytes());
  assembler.push("\x99\x82", out);
  EXPECT_EQ(out, "a\U0001F642");
}

TEST(Utf8, FindsTheFirstBadByte) {
  EXPECT_EQ(find_invalid_utf8(""), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("abc \u00e9\u65e5\U0001F642 \uFFFD"), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("\xFF"), 0u);
  EXPECT_EQ(find_invalid_utf8("\u00e9\xC3"), 2u);
  EXPECT_EQ(find_invalid_utf8("ab\xE2\x82"
                              "c"),
            2u);
  EXPECT_EQ(find_invalid_utf8("\uFFFD\xC0\x80"), 3u);
  EXPECT_EQ(find_invalid_utf8("a\xF4\x90\x80\x80"), 1u);
}

}  // namespace
}  // namespace glimt
