#include "base/json.h"

#include <cmath>
#include <limits>

#include "base/temporary_folder.h"
#include "base/throws.h"

namespace glimt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

json::value parsed(std::string_view text) { return parse_json(text, "test"); }

TEST(ParseJson, KeepsKeyOrderAndLastDuplicate) {
  EXPECT_EQ(dump_json(parsed(R"({"z":1,"a":[true,null,"x"],"m":{}})")), R"({"z": 1, "a": [true, null, "x"], "m": {}})");
  EXPECT_EQ(parsed(R"({"a":1,"a":2})").at("a").as_int64(), 2);
}

TEST(ParseJson, RefusesWhatIsNotJson) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "[1,]",
                                      R"({"a":1,})",
                                      R"({"a"})",
                                      "{a:1}",
                                      "'a'",
                                      "nul",
                                      "NaN",
                                      "Infinity",
                                      "-",
                                      "+1",
                                      "01",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "0x10",
                                      "1 2",
                                      "{}x",
                                      "// c\n1",
                                      R"("\x41")",
                                      "\"\t\"",
                                      "\"open",
                                      R"("\ud800")",
                                      R"("\ud800\u0041")",
                                      R"("\udc00")",
                                      "\xEF\xBB\xBF{}",
                                      "\"\xFF\"",
                                      "\"\xC0\x80\"",
                                      "\"\xED\xA0\x80\"",
                                      "\"\xF5\x80\x80\x80\"",
                                      "\"\xE2\x82\"",
                                      "1e400",
                                      "[-1e999]",
                                      R"({"a":{"b":[1e400]}})"}) {
    EXPECT_ERROR(parse_json(text, "line 3"), ErrorKind::invalid_request, StartsWith("line 3: not valid JSON"));
  }
  EXPECT_ERROR(parse_json(std::string_view("1\0", 2), "w"), ErrorKind::invalid_request, StartsWith("w: "));
}

TEST(ParseJson, SaysWhereAFaultIs) {
  EXPECT_ERROR(parsed(R"({"a": x})"), ErrorKind::invalid_request, HasSubstr("at byte 7"));
  EXPECT_ERROR(parsed("{\n \"a\": 1,\n \"b\": x\n}"), ErrorKind::invalid_request, HasSubstr("at line 3, byte 7"));
  EXPECT_ERROR(parsed("[1, 2"), ErrorKind::invalid_request, HasSubstr("at byte 6"));
  EXPECT_ERROR(parsed("1 2"), ErrorKind::invalid_request, HasSubstr("at byte 3"));
}

TEST(ParseJson, LimitsNesting) {
  EXPECT_NO_THROW(parsed(nested(64)));
  EXPECT_ERROR(parsed(nested(65)), ErrorKind::invalid_request, StartsWith("test: not valid JSON"));
  EXPECT_ERROR(parsed(std::string(1000000, '[')), ErrorKind::invalid_request, StartsWith("test: not valid JSON"));
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += R"({"a":)";
  EXPECT_ERROR(parsed(objects + "1" + std::string(65, '}')), ErrorKind::invalid_request, StartsWith("test: "));
}

TEST(ParseJson, KeepsNumbersThatFit) {
  EXPECT_EQ(parsed("9223372036854775807").as_int64(), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(parsed("-9223372036854775808").as_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parsed("18446744073709551615").as_uint64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_DOUBLE_EQ(parsed("1e308").as_double(), 1e308);
}

TEST(ParseJsonFile, NamesTheFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(parse_json_file(folder.write("good.json", "{\"a\": 1}\n")).at("a").as_int64(), 1);
  const auto bad = folder.write("bad.json", "{\"a\": ");
  EXPECT_ERROR(parse_json_file(bad), ErrorKind::bad_file, StartsWith(bad.string() + ": not valid JSON"));
  EXPECT_ERROR(parse_json_file(bad, 5), ErrorKind::bad_file, HasSubstr("at most 5"));
  EXPECT_ERROR(parse_json_file(folder.path() / "no.json"), ErrorKind::not_found, HasSubstr("no.json"));
}

TEST(DumpJson, WritesAsPythonDoes) {
  // Each right side is what json.dumps(json.loads(left), ensure_ascii=False) gives in Python 3.11.
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[]", "[]"},
      {"{}", "{}"},
      {R"([1,2,{"k":[]}])", R"([1, 2, {"k": []}])"},
      {"[0.1,1.0,-0.0,1e16,1e15,1e-5,0.0001,123456.789,5e-324,1.7976931348623157e308]",
       "[0.1, 1.0, -0.0, 1e+16, 1000000000000000.0, 1e-05, 0.0001, 123456.789, 5e-324, 1.7976931348623157e+308]"},
      {"[18446744073709551615,-1]", "[18446744073709551615, -1]"},
      {R"(["\u0000\u0001\b\t\n\f\r\u001f\"\\\/\u007f"])", "[\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f\\\"\\\\/\x7f\"]"},
      {R"(["\u00e9\u4e2d\ud83d\ude00\u2028"])", "[\"é中😀\xE2\x80\xA8\"]"},
      {R"({"a\"b":1})", R"({"a\"b": 1})"},
      {R"("<|user|>")", R"("<|user|>")"},
  };
  for (const auto& [text, dumped] : cases) EXPECT_EQ(dump_json(parsed(text)), dumped);
}

TEST(DumpJson, ReadsBackTheSame) {
  for (const double number : {0.1, 1.0 / 3, 1e22, 1e-300, 123456789012345680.0, std::nextafter(1.0, 2.0)}) {
    EXPECT_EQ(parsed(dump_json(json::value(number))).as_double(), number);
  }
}

class JsonFieldsTest : public ::testing::Test {
 protected:
  const json::value value_ = parsed(R"({"text":"t","one":1,"big":10000000000000000000,"real":1.5,"round":1e4,"yes":true,
                                        "nothing":null,"list":[1],"map":{"k":1}})");
  const JsonFields fields_{value_.get_object(), "config.json"};
};

TEST_F(JsonFieldsTest, GivesWhatIsThere) {
  EXPECT_EQ(fields_.string("text"), "t");
  EXPECT_EQ(fields_.integer("one", 1, 1), 1);
  EXPECT_EQ(fields_.integer("round", 0, 10000), 10000) << "1e4 is an integer to Python's writers of config.json";
  EXPECT_DOUBLE_EQ(fields_.number("real", 0, 2), 1.5);
  EXPECT_DOUBLE_EQ(fields_.number("one", 0, 2), 1.0);
  EXPECT_DOUBLE_EQ(fields_.number("big", 0, 1e20), 1e19);
  EXPECT_TRUE(fields_.boolean("yes"));
  EXPECT_EQ(fields_.array("list").size(), 1U);
  EXPECT_EQ(fields_.object("map").size(), 1U);
  EXPECT_EQ(fields_.where(), "config.json");
}

TEST_F(JsonFieldsTest, HasMeansPresentAndNotNull) {
  EXPECT_TRUE(fields_.has("one"));
  EXPECT_FALSE(fields_.has("nothing"));
  EXPECT_FALSE(fields_.has("absent"));
}

TEST_F(JsonFieldsTest, NamesFileFieldAndWish) {
  EXPECT_ERROR(fields_.string("absent"), ErrorKind::bad_file,
               "config.json: field 'absent' is missing, a string wanted");
  EXPECT_ERROR(fields_.string("one"), ErrorKind::bad_file, "config.json: field 'one' must be a string, got 1");
  EXPECT_ERROR(fields_.string("nothing"), ErrorKind::bad_file,
               "config.json: field 'nothing' must be a string, got null");
  EXPECT_ERROR(fields_.integer("text", 1, 9), ErrorKind::bad_file,
               "config.json: field 'text' must be an integer from 1 to 9, got \"t\"");
  EXPECT_ERROR(fields_.integer("one", 2, 9), ErrorKind::bad_file,
               "config.json: field 'one' must be an integer from 2 to 9, got 1");
  EXPECT_ERROR(fields_.integer("real", 0, 9), ErrorKind::bad_file, HasSubstr("got 1.5"));
  EXPECT_ERROR(fields_.integer("big", 0, std::numeric_limits<std::int64_t>::max()), ErrorKind::bad_file,
               HasSubstr("got 10000000000000000000"));
  EXPECT_ERROR(fields_.integer("yes", 0, 9), ErrorKind::bad_file, HasSubstr("got true"));
  EXPECT_ERROR(fields_.number("one", 2, 3), ErrorKind::bad_file,
               "config.json: field 'one' must be a number from 2 to 3, got 1");
  EXPECT_ERROR(fields_.number("text", 0, 9), ErrorKind::bad_file, HasSubstr("must be a number"));
  EXPECT_ERROR(fields_.boolean("one"), ErrorKind::bad_file, HasSubstr("must be true or false, got 1"));
  EXPECT_ERROR(fields_.object("list"), ErrorKind::bad_file, HasSubstr("must be an object, got [1]"));
  EXPECT_ERROR(fields_.array("map"), ErrorKind::bad_file, HasSubstr("must be an array, got {\"k\": 1}"));
  EXPECT_ERROR(fields_.array("absent"), ErrorKind::bad_file, HasSubstr("is missing, an array wanted"));
}

TEST_F(JsonFieldsTest, FallbacksStandInForAbsentAndNullOnly) {
  EXPECT_EQ(fields_.string_or("absent", "f"), "f");
  EXPECT_EQ(fields_.string_or("nothing", "f"), "f");
  EXPECT_EQ(fields_.string_or("text", "f"), "t");
  EXPECT_EQ(fields_.integer_or("absent", 7, 0, 9), 7);
  EXPECT_EQ(fields_.integer_or("one", 7, 0, 9), 1);
  EXPECT_DOUBLE_EQ(fields_.number_or("nothing", 0.5, 0, 1), 0.5);
  EXPECT_TRUE(fields_.boolean_or("absent", true));
  EXPECT_ERROR(fields_.string_or("one", "f"), ErrorKind::bad_file, HasSubstr("'one' must be a string"));
  EXPECT_ERROR(fields_.integer_or("one", 7, 2, 9), ErrorKind::bad_file, HasSubstr("'one' must be an integer"));
  EXPECT_ERROR(fields_.number_or("text", 0, 0, 1), ErrorKind::bad_file, HasSubstr("'text' must be a number"));
  EXPECT_ERROR(fields_.boolean_or("text", true), ErrorKind::bad_file, HasSubstr("'text' must be true or false"));
}

TEST_F(JsonFieldsTest, ThrowsTheKindItWasGiven) {
  const JsonFields request(value_.get_object(), "request", ErrorKind::invalid_request);
  EXPECT_ERROR(request.string("one"), ErrorKind::invalid_request, StartsWith("request: "));
  EXPECT_ERROR(request.boolean("absent"), ErrorKind::invalid_request, StartsWith("request: "));
}

TEST(JsonFields, ShowsLongValuesCutAtAWholeCharacter) {
  for (std::size_t lead = 0; lead < 4; ++lead) {
    std::string text(lead, 'x');
    for (int i = 0; i < 100; ++i) text += "😀";
    json::object object;
    object["field"] = text;
    const JsonFields fields(object, "w");
    try {
      fields.boolean("field");
      ADD_FAILURE();
    } catch (const Error& error) {
      const std::string message = error.what();
      EXPECT_LT(message.size(), 150U);
      EXPECT_THAT(message, HasSubstr("…"));
      EXPECT_NO_THROW(parsed(json::serialize(json::string(message)))) << "the message is not UTF-8: " << message;
    }
  }
}

TEST(JsonFields, IntegersSpelledAsRealsStayExact) {
  const json::value value = parsed(R"({"max":9.2e18,"edge":9007199254740993.0,"negative":-1e3})");
  const JsonFields fields(value.get_object(), "w");
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  EXPECT_ERROR(fields.integer("max", 0, kMax), ErrorKind::bad_file, HasSubstr("must be an integer"));
  EXPECT_EQ(fields.integer("negative", -kMax, kMax), -1000);
}

TEST(JsonFieldsFinish, NamesTheFieldsThatNobodyTook) {
  const json::object object = parsed(R"({"a": 1, "b": null, "c": "", "d": 2, "e": 3})").as_object();
  const JsonFields fields(object, "w", ErrorKind::invalid_request);
  EXPECT_EQ(fields.integer("a", 0, 9), 1);
  EXPECT_FALSE(fields.has("absent"));
  EXPECT_ERROR(fields.finish(), ErrorKind::invalid_request, "w: fields 'c', 'd', 'e' are not known");
  fields.ignore({"d"});
  const auto empty = [](const json::value& value) { return value == ""; };
  EXPECT_ERROR(fields.finish(empty), ErrorKind::invalid_request, "w: field 'e' is not known");
  EXPECT_EQ(*fields.find("e"), 3);
  EXPECT_EQ(fields.find("b"), nullptr);
  EXPECT_NO_THROW(fields.finish(empty));
}

}  // namespace
}  // namespace glimt
