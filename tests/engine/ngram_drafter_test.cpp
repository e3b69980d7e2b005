#include "engine/ngram_drafter.h"

#include "base/throws.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace glimt {
namespace {

using Tokens = std::vector<TokenId>;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

NgramDrafter drafter_of(const Tokens& text, const NgramDrafterOptions& options = {2, 4, 100}) {
  NgramDrafter drafter(options);
  drafter.append(text);
  return drafter;
}

TEST(NgramDrafter, ContinuesAsTheLastTime) {
  EXPECT_THAT(drafter_of({1, 2, 3, 4, 5, 9, 1, 2}).propose(3), ElementsAre(3, 4, 5));
  EXPECT_THAT(drafter_of({1, 2, 3, 4, 5, 9, 1, 2}).propose(1), ElementsAre(3));
  EXPECT_THAT(drafter_of({1, 2, 3, 4, 5, 9, 1, 2}).propose(0), IsEmpty());
}

TEST(NgramDrafter, SaysNothingWithoutAnEarlierOccurrence) {
  EXPECT_THAT(drafter_of({}).propose(3), IsEmpty());
  EXPECT_THAT(drafter_of({1}).propose(3), IsEmpty());
  EXPECT_THAT(drafter_of({1, 2}).propose(3), IsEmpty());
  EXPECT_THAT(drafter_of({1, 2, 3, 4, 2}).propose(3), IsEmpty()) << "one token is too short";
  EXPECT_THAT(drafter_of({1, 2, 3, 4, 2}, {1, 4, 100}).propose(2), ElementsAre(3, 4));
}

TEST(NgramDrafter, PrefersTheLongestEndingThenTheLatest) {
  EXPECT_THAT(drafter_of({7, 1, 2, 50, 8, 1, 2, 60, 7, 1, 2}).propose(1), ElementsAre(50));
  EXPECT_THAT(drafter_of({7, 1, 2, 50, 8, 1, 2, 60, 9, 1, 2}).propose(1), ElementsAre(60));
}

TEST(NgramDrafter, GoesOnWithARepetition) {
  EXPECT_THAT(drafter_of({5, 5, 5}).propose(4), ElementsAre(5, 5, 5, 5));
  EXPECT_THAT(drafter_of({1, 2, 3, 1, 2, 3, 1, 2}).propose(7), ElementsAre(3, 1, 2, 3, 1, 2, 3));
}

TEST(NgramDrafter, ForgetsWhatLeavesTheWindow) {
  NgramDrafter drafter({2, 3, 8});
  drafter.append(Tokens{1, 2, 77});
  for (TokenId t = 10; t < 13; ++t) drafter.append(t);
  drafter.append(Tokens{1, 2});
  EXPECT_THAT(drafter.propose(1), ElementsAre(77));
  drafter.append(13);
  drafter.append(Tokens{1, 2});
  EXPECT_THAT(drafter.propose(1), ElementsAre(13)) << "the later one, still there";
  for (TokenId t = 20; t < 28; ++t) drafter.append(t);
  drafter.append(Tokens{1, 2});
  EXPECT_THAT(drafter.propose(1), IsEmpty());
  EXPECT_EQ(drafter.size(), 21U);
}

TEST(NgramDrafter, ChecksItsOptions) {
  EXPECT_ERROR(NgramDrafter({0, 3, 100}), ErrorKind::invalid_request, HasSubstr("got 0, 3, 100"));
  EXPECT_ERROR(NgramDrafter({4, 3, 100}), ErrorKind::invalid_request, HasSubstr("got 4, 3, 100"));
  EXPECT_ERROR(NgramDrafter({2, 3, 3}), ErrorKind::invalid_request, HasSubstr("got 2, 3, 3"));
}

// Every ending compared with every earlier place.
Tokens brute_force(const Tokens& all, const NgramDrafterOptions& options, int k) {
  const Tokens text(all.end() - std::min<std::ptrdiff_t>(std::ssize(all), static_cast<std::ptrdiff_t>(options.window)),
                    all.end());
  const auto size = std::ssize(text);
  for (std::ptrdiff_t n = options.n_max; n >= options.n_min; --n) {
    for (std::ptrdiff_t end = size - 1; end >= n; --end) {
      if (!std::equal(text.begin() + end - n, text.begin() + end, text.end() - n)) continue;
      Tokens extended = text;
      for (int i = 0; i < k; ++i) extended.push_back(extended[static_cast<std::size_t>(end + i)]);
      return Tokens(extended.begin() + size, extended.end());
    }
  }
  return {};
}

TEST(NgramDrafter, AgreesWithBruteForce) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    NgramDrafterOptions options;
    options.n_min = 1 + static_cast<int>(random() % 3);
    options.n_max = options.n_min + static_cast<int>(random() % 4);
    options.window = static_cast<std::size_t>(options.n_max) + 1 + random() % 40;
    const unsigned alphabet = 1 + random() % 5;
    NgramDrafter drafter(options);
    Tokens text;
    for (int i = 0; i < 120; ++i) {
      text.push_back(static_cast<TokenId>(random() % alphabet));
      drafter.append(text.back());
      const int k = static_cast<int>(random() % 6);
      ASSERT_EQ(drafter.propose(k), brute_force(text, options, k)) << "seed " << seed << ", " << i;
    }
  }
}

TEST(NgramDrafter, LongTextsAreQuick) {
  NgramDrafter drafter;
  std::mt19937 random(1);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 300'000; ++i) {
    drafter.append(static_cast<TokenId>(i % 3 == 0 ? random() % 1000 : 7));
    if (i % 10 == 0) drafter.propose(8);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

}  // namespace
}  // namespace glimt
