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
