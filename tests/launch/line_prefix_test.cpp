#include "launch/line_prefix.h"

#include <gtest/gtest.h>

namespace glimt::launch {
namespace {

TEST(LinePrefix, HasTheRankInFrontOfEachLineHoweverItArrives) {
  const std::string text = "one\n\nthree \xc3\xa4\nrest";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    LinePrefix prefix(12);
    std::string lines = prefix.push(text.substr(0, cut));
    lines += prefix.push(text.substr(cut));
    EXPECT_EQ(lines, "[12] one\n[12] \n[12] three \xc3\xa4\n");
    EXPECT_EQ(prefix.flush(), "[12] rest\n");
    EXPECT_EQ(prefix.flush(), "");
  }
}

TEST(LinePrefix, CutsALineThatDoesNotEnd) {
  LinePrefix prefix(0);
  const std::string lines = prefix.push(std::string(20000, 'x'));
  EXPECT_EQ(lines.size(), 2 * (8192 + 5));
  EXPECT_EQ(prefix.flush().size(), 20000 - 2 * 8192 + 5);
}

}  // namespace
}  // namespace glimt::launch
