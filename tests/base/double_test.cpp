#include "base/double.h"

#include <gtest/gtest.h>

#include <clocale>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace glimt {
namespace {

// Both ways read the same beginning of `text` as the same bits, or fail in the same way and leave the value alone.
void expect_same(const std::string& text) {
  double one = 42, other = 42;
  const std::from_chars_result expected = std::from_chars(text.data(), text.data() + text.size(), one);
  const std::from_chars_result got = read_double_by_strtod(text.data(), text.data() + text.size(), other);
  EXPECT_EQ(got.ec, expected.ec) << text;
  EXPECT_EQ(got.ptr, expected.ptr) << text;
  EXPECT_EQ(std::memcmp(&one, &other, sizeof one), 0) << text << ": " << one << " and " << other;
}

TEST(ReadDouble, IsFromCharsByEitherWay) {
  for (const char* text : {"",      "1",         "-1",     "+1",     " 1",     "\t1",
                           "1 ",    "1e",        "1e5x",   ".5",     "-.5",    "5.",
                           ".",     "-",         "1,5",    "0x1p3",  "-0x1",   "0X",
                           "1e400", "-1e400",    "1e-400", "5e-324", "2e-310", "2.2250738585072011e-308",
                           "inf",   "-infinity", "--1",    "0",      "-0",     "123456789012345678901234567890",
                           "1e+5",  "1E-5"}) {
    expect_same(text);
  }
}

TEST(ReadDouble, ReadsWhatAnyDoubleIsWrittenAs) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    char text[40];
    expect_same(std::string(text, std::to_chars(text, text + sizeof text, number).ptr));
  }
}

TEST(ReadDouble, ReadsWhatIsNearlyANumber) {
  std::mt19937 random(4);
  const std::string letters = "0123456789.eE+-x ";
  for (int i = 0; i < 50000; ++i) {
    std::string text(random() % 12, ' ');
    for (char& c : text) c = letters[random() % letters.size()];
    expect_same(text);
  }
}

// The decimal point of the user's language is not that of numbers in files.
TEST(ReadDouble, DoesNotAskTheLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  for (const char* name : {"de_DE.UTF-8", "fr_FR.UTF-8"}) std::setlocale(LC_NUMERIC, name);  // where there is one
  expect_same("1.5");
  expect_same("1,5");
  std::setlocale(LC_NUMERIC, before.c_str());
}

}  // namespace
}  // namespace glimt
