#include "base/json.h"
#include "base/throws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <random>
#include <string>

namespace glimt {
namespace {

using ::testing::HasSubstr;

TEST(JsonNumbers, AreTheNearestDouble) {
  EXPECT_EQ(dump_json(parse_json("[0.1, 1e-400, 1.5E3, -0.0, -0, 1e22, 1e16, 123456.0e-11]", "t")),
            "[0.1, 0.0, 1500.0, -0.0, 0, 1e+22, 1e+16, 1.23456e-06]");
  std::mt19937_64 random(5);
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t bits = random() & ~(std::uint64_t{1} << 62);  // any double below 2
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    char text[40];
    const auto [end, error] = std::to_chars(text, text + sizeof text, number);
    const json::value value = parse_json(fmt::format("{{\"a\": [{}]}}", std::string_view(text, end)), "t");
    ASSERT_EQ(value.at("a").at(0).to_number<double>(), number) << std::string(text, end);
  }
}

TEST(JsonNumbers, AreElseReadAsBoostReadsThem) {
  for (const char* text : {R"({"z": [1, -2, 18446744073709551615, true, null, "a\u00e9\n"], "a": {"b": {}}, "z": 2})",
                           "3", R"(" long string ")", "[]", " {} ", "9223372036854775808", "-9223372036854775808"}) {
    EXPECT_EQ(parse_json(text, "t"), json::parse(text)) << text;
  }
  const std::string long_text = "[\"" + std::string(100'000, 'x') + "\", {\"" + std::string(100'000, 'k') + "\": 1}]";
  EXPECT_EQ(parse_json(long_text, "t"), json::parse(long_text));
}

TEST(JsonNumbers, IntegersKeepAllTheirDigits) {
  for (const std::string digits :
       {"9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
        "-9223372036854775808", "-9223372036854775809", "1500000000000000000001", "-123456789012345678901234567890"}) {
    EXPECT_EQ(dump_json(parse_json(digits, "t")), digits);
    EXPECT_EQ(dump_json(parse_json("{\"a\": [" + digits + "]}", "t")), "{\"a\": [" + digits + "]}");
  }
  const std::string longest(4300, '7');
  EXPECT_EQ(dump_json(parse_json(longest, "t")), longest);
  EXPECT_ERROR(parse_json("[" + longest + "7]", "t"), ErrorKind::invalid_request, HasSubstr("out of range"));
}

TEST(JsonNumbers, ABigIntegerIsANumberAndNoText) {
  const json::value big = parse_json("-1500000000000000000001", "t");
  EXPECT_EQ(as_big_integer(big), "-1500000000000000000001");
  EXPECT_FALSE(is_text(big));
  EXPECT_EQ(number_of(big), -1.5e21);
  EXPECT_EQ(number_of(parse_json(std::string(400, '1'), "t")), HUGE_VAL);
  EXPECT_EQ(number_of(json::value("1")), std::nullopt);
  EXPECT_TRUE(is_text(json::value("1500000000000000000001")));
  EXPECT_EQ(as_big_integer(json::value("1500000000000000000001")), "");
  EXPECT_EQ(dump_json(json::value("1500000000000000000001")), "\"1500000000000000000001\"");
  EXPECT_EQ(as_big_integer(json::value("\xFF\", \"x\": 1")), "");  // only digits are written without quotes

  const json::object object = parse_json(R"({"n": 36893488147419103232})", "t").as_object();
  const JsonFields fields(object, "w");
  EXPECT_EQ(fields.number("n", 0, 1e300), 36893488147419103232.0);
  EXPECT_ERROR(fields.string("n"), ErrorKind::bad_file, HasSubstr("must be a string, got 36893488147419103232"));
  EXPECT_ERROR(fields.integer("n", 0, 9), ErrorKind::bad_file, HasSubstr("got 36893488147419103232"));
}

TEST(JsonNumbers, OutOfRangeOrTooDeepAreErrors) {
  EXPECT_ERROR(parse_json("{", "line 3"), ErrorKind::invalid_request, HasSubstr("line 3: not valid JSON"));
  EXPECT_ERROR(parse_json("1e999", "t"), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(parse_json(std::string(100, '[') + std::string(100, ']'), "t"), ErrorKind::invalid_request,
               HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace glimt
