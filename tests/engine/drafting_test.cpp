#include "engine/drafting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using testing::ElementsAre;

const std::vector<double> kCheap(9, 1.0);

std::vector<TokenId> repeated(const std::vector<TokenId>& block, int times) {
  std::vector<TokenId> text;
  for (int i = 0; i < times; ++i) text.insert(text.end(), block.begin(), block.end());
  return text;
}

TEST(Drafting, CopiesWhatFollowedTheSameWords) {
  Drafting drafting;
  const std::vector<TokenId> text = {1, 2, 3, 4, 5, 6, 7, 9, 1, 2, 3};
  const Drafting::Wish wish = drafting.wish(text, kCheap, true);
  EXPECT_EQ(wish.source, Drafting::Source::ngram);
  EXPECT_THAT(wish.guesses, ElementsAre(4, 5, 6, 7, 9, 1, 2, 3));
}

TEST(Drafting, AsksTheMtpLayerWhereTheTextIsNew) {
  Drafting drafting;
  const std::vector<TokenId> text = {1, 2, 3, 4};
  const Drafting::Wish wish = drafting.wish(text, kCheap, true);
  EXPECT_EQ(wish.source, Drafting::Source::mtp);
  EXPECT_EQ(wish.depth, Drafting::kDeepestMtp);
  EXPECT_TRUE(wish.guesses.empty());
  EXPECT_EQ(Drafting().wish(text, kCheap, false).source, Drafting::Source::none);
}

TEST(Drafting, ALongTextIsReadInPortions) {
  constexpr std::size_t kWindow = NgramDrafterOptions{}.window;
  std::vector<TokenId> text;
  for (TokenId id = 0; id < 200'000; ++id) text.push_back(id);
  text.insert(text.end(), {199'000, 199'001, 199'002});
  Drafting drafting;
  std::size_t before = text.size() - kWindow;  // what is in front of the window is not read at all
  int steps = 0;
  for (;; ++steps) {
    const Drafting::Wish wish = drafting.wish(text, kCheap, false);
    ASSERT_GT(drafting.position(), before);
    ASSERT_LE(drafting.position(), before + Drafting::kPortion);
    before = drafting.position();
    if (before == text.size()) {
      EXPECT_EQ(wish.guesses.at(0), text.back() + 1);
      break;
    }
    EXPECT_EQ(wish.source, Drafting::Source::none);
    text.push_back(text.back() + 1);  // it grows meanwhile
    ASSERT_LT(steps, 1000);
  }
  EXPECT_LE(steps, 180);
}

TEST(Drafting, ReadsWhileThePromptIsComputed) {
  const std::vector<TokenId> text = repeated({1, 2, 3, 4, 5}, 200);
  Drafting drafting;
  for (int step = 0; step < 3; ++step) drafting.read(text);
  EXPECT_EQ(drafting.position(), text.size());
  EXPECT_EQ(drafting.wish(text, kCheap, false).source, Drafting::Source::ngram);
}

TEST(Drafting, ASourceThatIsWrongParksAndTheOtherGoesOn) {
  Drafting drafting;
  std::vector<TokenId> text = repeated({1, 2, 3, 4, 5}, 4);
  std::vector<double> cost = {1, 1.3, 1.6, 1.9, 2.2, 2.5, 2.8, 3.1, 3.4};
  int copied = 0, asked = 0;
  for (int step = 0; step < 200; ++step) {
    const Drafting::Wish wish = drafting.wish(text, cost, true);
    if (wish.source == Drafting::Source::ngram) {
      ++copied;
      drafting.record(static_cast<int>(wish.guesses.size()), 0);
    } else if (wish.source == Drafting::Source::mtp) {
      ++asked;
      drafting.record(wish.depth, wish.depth);
    }
    text.push_back(text[text.size() - 5]);  // the text goes on as if the copies were right: they always have a say
  }
  EXPECT_LT(copied, 80);
  EXPECT_GT(asked, 100);
}

TEST(Drafting, NothingIsWorthAStepThatCostsAsMuchAsItsTokens) {
  Drafting drafting;
  std::vector<TokenId> text = {1, 2, 3, 4, 5};
  const std::vector<double> dear = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  int guessed = 0;
  for (int step = 0; step < 200; ++step) {
    const Drafting::Wish wish = drafting.wish(text, dear, true);
    if (wish.source == Drafting::Source::mtp) {
      ++guessed;
      drafting.record(wish.depth, 0);
    }
    text.push_back(100 + step);
  }
  EXPECT_LT(guessed, 60);
}

}  // namespace
}  // namespace glimt
