#include "engine/repetition_guard.h"

#include "base/throws.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <string>

namespace glimt {
namespace {

using Tokens = std::vector<TokenId>;
using testing::HasSubstr;

// The number of tokens after which the guard speaks up; -1: never.
int first_alarm(const Tokens& tokens, const RepetitionOptions& options = {}) {
  RepetitionGuard guard(options);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (guard.append(tokens[i])) return static_cast<int>(i) + 1;
  }
  return -1;
}

// Words, runs of blanks and single marks, as a tokenizer would cut them, about.
Tokens tokenize(const std::string& text) {
  Tokens tokens;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    const auto is_word = [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; };
    if (is_word(text[i])) {
      while (end < text.size() && is_word(text[end])) ++end;
    } else if (text[i] == ' ') {
      while (end < text.size() && text[end] == ' ') ++end;
    }
    tokens.push_back(static_cast<TokenId>(std::hash<std::string>{}(text.substr(i, end - i)) % 100'000));
    i = end;
  }
  return tokens;
}

TEST(RepetitionGuard, SpeaksUpExactlyAtItsLimits) {
  const RepetitionOptions options{4, 3, 10};
  EXPECT_EQ(first_alarm(Tokens(50, 7), options), 10);
  EXPECT_EQ(first_alarm({1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, options), 10);
  EXPECT_EQ(first_alarm({1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, options), 10);
  EXPECT_EQ(first_alarm({1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, options), 12) << "three times, and that is 12 tokens";
  EXPECT_EQ(first_alarm({1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2, 3, 4, 5}, options), -1)
      << "too long a block";
  EXPECT_EQ(first_alarm({9, 8, 6, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2}, options), 13) << "whatever came before";
  EXPECT_EQ(first_alarm({1, 2, 1, 2, 1, 2, 1, 2, 1, 3, 1, 2, 1, 2, 1, 2}, options), -1) << "broken off";
}

TEST(RepetitionGuard, SaysWhichBlockAndWhenItIsOver) {
  RepetitionGuard guard({4, 3, 6});
  for (const TokenId token : {1, 2, 1, 2, 1}) EXPECT_FALSE(guard.append(token));
  EXPECT_TRUE(guard.append(2));
  EXPECT_EQ(guard.period(), 2);
  EXPECT_TRUE(guard.append(1));
  EXPECT_FALSE(guard.append(1));
  EXPECT_EQ(guard.period(), 0);
  for (int i = 0; i < 8; ++i) guard.append(1);
  EXPECT_EQ(guard.period(), 1) << "the shortest";
}

TEST(RepetitionGuard, CatchesALoopingModel) {
  std::string loop;
  for (int i = 0; i < 200; ++i) loop += "I will now check the file again, because the test may fail.\n";
  const Tokens tokens = tokenize("Let me look at this. " + loop);
  const int alarm = first_alarm(tokens);
  EXPECT_GT(alarm, 500);
  EXPECT_LT(alarm, 600);

  std::mt19937 random(3);
  Tokens paragraph;
  for (int i = 0; i < 256; ++i) paragraph.push_back(static_cast<TokenId>(random() % 1000));
  Tokens text;
  for (int i = 0; i < 9; ++i) text.insert(text.end(), paragraph.begin(), paragraph.end());
  EXPECT_EQ(first_alarm(text), 8 * 256);
}

TEST(RepetitionGuard, LetsOrdinaryTextsPass) {
  std::string table = "| name | value | unit |\n| --- | --- | --- |\n";
  std::string code = "int main() {\n";
  std::string json = "[";
  std::string zeros = "static const int table[] = {";
  std::string list;
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i * 7919 % 1000);
    table += "| row " + number + " | " + number + " | mm |\n";
    code += "        if (x[" + number + "] > 0) {\n            y += 1;\n        }\n";
    json += "{\"id\": " + number + ", \"tags\": [], \"ok\": true},\n";
    list += "- item " + number + "\n";
  }
  for (int i = 0; i < 200; ++i) zeros += "0, ";  // 600 tokens of period 3, but see below
  EXPECT_EQ(first_alarm(tokenize(table)), -1);
  EXPECT_EQ(first_alarm(tokenize(code)), -1);
  EXPECT_EQ(first_alarm(tokenize(json)), -1);
  EXPECT_EQ(first_alarm(tokenize(list)), -1);
  EXPECT_EQ(first_alarm(tokenize(zeros.substr(0, 28 + 3 * 160))), -1) << "160 zeros are a table";
  EXPECT_NE(first_alarm(tokenize(zeros)), -1) << "where the limit is";
  EXPECT_EQ(first_alarm(tokenize(std::string(100, '-') + "\n" + std::string(100, '=') + "\n")), -1);
  std::string blank_rows;
  for (int i = 0; i < 30; ++i) blank_rows += "|     |     |     |     |\n";  // an empty form
  EXPECT_EQ(first_alarm(tokenize(blank_rows)), -1);
}

// Whether the text ends in one, from the definition.
bool brute_force(const Tokens& text, const RepetitionOptions& options) {
  for (int p = 1; p <= options.max_period; ++p) {
    const auto n = static_cast<std::ptrdiff_t>(std::max(options.min_repeats * p, options.min_tokens));
    if (n > std::ssize(text)) continue;
    bool repeats = n >= p;
    for (auto i = std::ssize(text) - n + p; i < std::ssize(text); ++i) {
      repeats &= text[static_cast<std::size_t>(i)] == text[static_cast<std::size_t>(i - p)];
    }
    if (repeats) return true;
  }
  return false;
}

TEST(RepetitionGuard, AgreesWithItsDefinition) {
  int alarms = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const RepetitionOptions options{1 + static_cast<int>(random() % 6), 2 + static_cast<int>(random() % 3),
                                    1 + static_cast<int>(random() % 14)};
    RepetitionGuard guard(options);
    Tokens text;
    std::size_t period = 1;
    for (int i = 0; i < 150; ++i) {
      if (random() % 20 == 0) period = 1 + random() % 7;
      const bool repeat = text.size() >= period && random() % 15 != 0;
      text.push_back(repeat ? text[text.size() - period] : static_cast<TokenId>(random() % 3));
      const bool wanted = brute_force(text, options);
      ASSERT_EQ(guard.append(text.back()), wanted) << "seed " << seed << ", " << i;
      alarms += wanted ? 1 : 0;
    }
  }
  EXPECT_GT(alarms, 1000);
}

TEST(RepetitionGuard, ChecksItsOptions) {
  EXPECT_ERROR(RepetitionGuard({0, 2, 1}), ErrorKind::invalid_request, HasSubstr("got 0, 2, 1"));
  EXPECT_ERROR(RepetitionGuard({1, 1, 1}), ErrorKind::invalid_request, HasSubstr("got 1, 1, 1"));
  EXPECT_ERROR(RepetitionGuard({1, 2, 0}), ErrorKind::invalid_request, HasSubstr("got 1, 2, 0"));
}

}  // namespace
}  // namespace glimt
