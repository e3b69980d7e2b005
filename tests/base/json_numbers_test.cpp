#include "base/json.h"
#include "base/throws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstring>
#include <random>
#include <string>

namespace glimt {
namespace {

using ::testing::HasSubstr;

TEST(JsonNumbers, AreTheNearestDouble) {
  EXPECT_EQ(dump_json(parse_json("[0.1, 1e-400, 1.5E3, -0.0, 12345678901234567890123]", "t")),
            "[0.1, 0.0, 1500.0, -0.0, 1.2345678901234568e+22]");
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

TEST(JsonNumbers, OutOfRangeOrTooDeepAreErrors) {
  EXPECT_ERROR(parse_json("{", "line 3"), ErrorKind::invalid_request, HasSubstr("line 3: not valid JSON"));
  EXPECT_ERROR(parse_json("1e999", "t"), ErrorKind::invalid_request, HasSubstr("out of range"));
  EXPECT_ERROR(parse_json(std::string(100, '[') + std::string(100, ']'), "t"), ErrorKind::invalid_request,
               HasSubstr("not valid JSON"));
}

}  // namespace
}  // namespace glimt
