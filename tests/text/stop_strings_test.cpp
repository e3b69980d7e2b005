#include "text/stop_strings.h"

#include "base/throws.h"
#include "text/cpu_time.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace glimt {
namespace {

struct Outcome {
  std::string text;
  std::optional<std::string> matched;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << '"' << outcome.text << "\" " << outcome.matched.value_or("-");
}

// The definition, the slow way.
Outcome defined(std::string_view text, const std::vector<std::string>& strings) {
  for (std::size_t end = 1; end <= text.size(); ++end) {
    std::optional<std::string> longest;
    for (const std::string& stop : strings) {
      if (text.substr(0, end).ends_with(stop) && (!longest || stop.size() > longest->size())) longest = stop;
    }
    if (longest) return {std::string(text.substr(0, end - longest->size())), longest};
  }
  return {std::string(text), std::nullopt};
}

Outcome filtered(std::string_view text, const std::vector<std::string>& strings, const std::vector<std::size_t>& cuts) {
  StopStrings filter(strings);
  Outcome outcome;
  std::size_t done = 0;
  for (const std::size_t cut : cuts) {
    outcome.text += filter.push(text.substr(done, cut - done));
    done = cut;
  }
  outcome.text += filter.push(text.substr(done));
  outcome.text += filter.finish();
  if (filter.stopped()) outcome.matched = filter.matched();
  return outcome;
}

TEST(StopStrings, CutsAtTheFirstMatch) {
  EXPECT_EQ(filtered("one STOP two STOP", {"STOP"}, {}), (Outcome{"one ", "STOP"}));
  EXPECT_EQ(filtered("abcd", {"bcd", "c"}, {}), (Outcome{"ab", "c"}));   // "c" is complete first
  EXPECT_EQ(filtered("abcd", {"d", "bcd"}, {}), (Outcome{"a", "bcd"}));  // both end at once: the longest
  EXPECT_EQ(filtered("aaab", {"aab"}, {}), (Outcome{"a", "aab"}));
  EXPECT_EQ(filtered("nothing", {"STOP"}, {}), (Outcome{"nothing", std::nullopt}));
  EXPECT_EQ(filtered("", {"STOP"}, {}), (Outcome{"", std::nullopt}));
  EXPECT_EQ(filtered("text", {}, {1}), (Outcome{"text", std::nullopt}));
}

TEST(StopStrings, HoldsBackOnlyWhatMayBeABeginning) {
  StopStrings filter({"\n\nUser:", "###"});
  EXPECT_EQ(filter.push("hi\n"), "hi");
  EXPECT_EQ(filter.push("there\n\n"), "\nthere");
  EXPECT_EQ(filter.push("\n"), "\n");
  EXPECT_EQ(filter.push("Use"), "");
  EXPECT_EQ(filter.push("d #"), "\n\nUsed ");
  EXPECT_EQ(filter.push("##"), "");
  ASSERT_TRUE(filter.stopped());
  EXPECT_EQ(filter.matched(), "###");
  EXPECT_EQ(filter.push("more"), "");
  EXPECT_EQ(filter.finish(), "");
}

TEST(StopStrings, GivesTheHeldTextAtTheEnd) {
  StopStrings filter({"STOP"});
  EXPECT_EQ(filter.push("a STO"), "a ");
  EXPECT_EQ(filter.finish(), "STO");
  EXPECT_EQ(filter.finish(), "");
  EXPECT_FALSE(filter.stopped());
}

TEST(StopStrings, NoneReachesAcrossABorder) {
  StopStrings filter({"STOP"});
  EXPECT_EQ(filter.push("a ST"), "a ");
  EXPECT_EQ(filter.finish(), "ST");
  EXPECT_EQ(filter.push("OP"), "OP");
  EXPECT_EQ(filter.push("STOP"), "");
  EXPECT_TRUE(filter.stopped());
}

TEST(StopStrings, NeverCutsACharacterInTwo) {
  StopStrings filter({"\u00e9\u65e5"});
  EXPECT_EQ(filter.push("x\u00e9"), "x");
  EXPECT_EQ(filter.push("\u65e6"), "\u00e9\u65e6");
}

TEST(StopStrings, DoesNotDependOnHowTheTextIsCut) {
  std::mt19937 random(11);
  const auto word = [&](std::size_t most) {
    std::string text(1 + random() % most, 'a');
    for (char& c : text) c = static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> strings;
    for (std::size_t n = 1 + random() % 3; n > 0; --n) strings.push_back(word(6));
    const std::string text = word(24);
    std::vector<std::size_t> cuts;
    for (std::size_t n = random() % 6; n > 0; --n) cuts.push_back(random() % (text.size() + 1));
    std::sort(cuts.begin(), cuts.end());
    ASSERT_EQ(filtered(text, strings, cuts), defined(text, strings)) << text;
  }
}

TEST(StopStrings, LongAnswersTakeLinearTime) {
  StopStrings filter({std::string(1000, 'a') + "b", "aab"});
  const CpuTime time;
  std::size_t shown = 0;
  for (int i = 0; i < 2'000'000; ++i) shown += filter.push("a").size();
  EXPECT_EQ(shown + filter.finish().size(), 2'000'000u);
  EXPECT_LT(time.seconds(), 20);
}

TEST(StopStrings, RefusesAnEmptyString) {
  EXPECT_ERROR(StopStrings({"a", ""}), ErrorKind::invalid_request, "stop: a stop string is empty");
}

}  // namespace
}  // namespace glimt
