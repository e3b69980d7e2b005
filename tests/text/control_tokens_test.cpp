#include "text/control_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using ::testing::ElementsAre;

const ControlMatcher& matcher() {
  static const ControlMatcher built({{1, "<a>", true}, {2, "<a><b>", true}, {3, "b>", false}, {4, "/no", false}});
  return built;
}

TEST(ControlMatcher, TakesTheLeftmostAndThereTheLongest) {
  EXPECT_THAT(matcher().find("x<a><b>y"), ElementsAre(ControlSpan{1, 7, 2}));
  EXPECT_THAT(matcher().find("<a><b"), ElementsAre(ControlSpan{0, 3, 1}));
  EXPECT_THAT(matcher().find("<a><a><b>b>"),
              ElementsAre(ControlSpan{0, 3, 1}, ControlSpan{3, 9, 2}, ControlSpan{9, 11, 3}));
  EXPECT_THAT(matcher().find("</no/n"), ElementsAre(ControlSpan{1, 4, 4}));
  EXPECT_THAT(matcher().find(""), ElementsAre());
}

TEST(ControlMatcher, FindsWhatStartsAtAByte) {
  EXPECT_EQ(matcher().longest_at("<a><b>", 0)->id, 2);
  EXPECT_EQ(matcher().longest_at("<a><b>", 4)->id, 3);
  EXPECT_EQ(matcher().longest_at("<a><b>", 1), nullptr);
  EXPECT_EQ(matcher().longest_at("<a>", 3), nullptr);
}

TEST(ControlMatcher, KnowsPartsThatNeighboursCouldComplete) {
  EXPECT_TRUE(matcher().ends_with_beginning("hi <"));
  EXPECT_TRUE(matcher().ends_with_beginning("hi <a"));
  EXPECT_TRUE(matcher().ends_with_beginning("<a>"));  // of <a><b>
  EXPECT_TRUE(matcher().ends_with_beginning("ab"));   // of b>
  EXPECT_FALSE(matcher().ends_with_beginning("hi"));
  EXPECT_FALSE(matcher().ends_with_beginning("/no"));
  EXPECT_FALSE(matcher().ends_with_beginning(""));

  EXPECT_TRUE(matcher().starts_with_ending("> hi"));
  EXPECT_TRUE(matcher().starts_with_ending("><b> hi"));
  EXPECT_TRUE(matcher().starts_with_ending("o"));
  EXPECT_FALSE(matcher().starts_with_ending("/no"));
  EXPECT_FALSE(matcher().starts_with_ending("hi>"));
  EXPECT_FALSE(matcher().starts_with_ending(""));

  EXPECT_TRUE(matcher().is_inner_part("a"));
  EXPECT_TRUE(matcher().is_inner_part("><"));
  EXPECT_TRUE(matcher().is_inner_part("n"));
  EXPECT_FALSE(matcher().is_inner_part("/n"));
  EXPECT_FALSE(matcher().is_inner_part("no"));
  EXPECT_FALSE(matcher().is_inner_part("<a><b>"));
  EXPECT_FALSE(matcher().is_inner_part(""));
}

TEST(ControlMatcher, MayBeEmpty) {
  const ControlMatcher none;
  EXPECT_THAT(none.find("<|user|>"), ElementsAre());
  EXPECT_FALSE(none.ends_with_beginning("<") || none.starts_with_ending(">") || none.is_inner_part("a"));
}

}  // namespace
}  // namespace glimt
