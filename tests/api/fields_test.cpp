#include "api/fields.h"

#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Use = ApiField::Use;

constexpr ApiField kFields[] = {
    {"name", Use::honoured, R"({"type": "string"})", "a name", true},
    {"n", Use::honoured, R"({"type": "integer"})", "a count"},
    {"x", Use::honoured, R"({"type": "number"})", "a number"},
    {"on", Use::honoured, R"({"type": "boolean"})", "a switch"},
    {"list", Use::honoured, R"({"type": "array", "items": {"type": "string"}})", "a list"},
    {"object", Use::honoured, R"({"type": "object"})", "an object"},
    {"either", Use::honoured, R"({"type": ["string", "array"]})", "one or more"},
    {"any", Use::carried, "{}", "anything"},
    {"audio", Use::refused, "{}", "is not supported: this model reads text only"},
};
constexpr ApiObject kTable{"Test", kFields};

struct Read {
  explicit Read(std::string_view text, UnknownFields unknown = UnknownFields::refuse, std::string where = {})
      : object(object_of(text)), fields(object, kTable, std::move(where), unknown, ignored) {}

  std::vector<std::string> ignored;
  json::object object;
  FieldReader fields;
};

Problem problem(std::string_view text, std::string where = {}) {
  return problem_from([&] { Read(text, UnknownFields::refuse, where); });
}

TEST(FieldReader, ReadsWhatIsThere) {
  const Read read(R"({"name": "a", "n": 3, "x": 0.5, "on": true, "list": ["b"], "object": {"c": 1}})");
  EXPECT_EQ(read.fields.string_or("name", "z"), "a");
  EXPECT_EQ(read.fields.integer_or("n", 9, 0, 10), 3);
  EXPECT_EQ(read.fields.number_or("x", 9, 0, 10), 0.5);
  EXPECT_TRUE(read.fields.boolean_or("on", false));
  EXPECT_EQ(read.fields.array_or_empty("list").size(), 1U);
  EXPECT_EQ(read.fields.object_or_empty("object").size(), 1U);
}

TEST(FieldReader, NullIsAbsent) {
  for (
      const char* text :
      {R"({"name": "a"})",
       R"({"name": "a", "n": null, "x": null, "on": null, "list": null, "object": null, "audio": null, "new": null})"}) {
    const Read read(text);
    EXPECT_FALSE(read.fields.has("n"));
    EXPECT_EQ(read.fields.integer_or("n", 9, 0, 1), 9);
    EXPECT_EQ(read.fields.number_or("x", 9, 0, 1), 9);
    EXPECT_TRUE(read.fields.boolean_or("on", true));
    EXPECT_TRUE(read.fields.array_or_empty("list").empty());
    EXPECT_TRUE(read.fields.object_or_empty("object").empty());
    EXPECT_TRUE(read.ignored.empty());
  }
}

TEST(FieldReader, ARequiredFieldMustBeThere) {
  for (const char* text : {R"({})", R"({"name": null})"}) {
    const Problem missing = problem(text, "tools[2]");
    EXPECT_EQ(missing.status, 400);
    EXPECT_EQ(missing.message, "tools[2].name: is required");
    EXPECT_EQ(missing.param, "tools[2].name");
  }
}

TEST(FieldReader, ATypeThatDiffersIsAnError) {
  EXPECT_EQ(problem(R"({"name": 1})").message, "name: must be a string, got 1");
  EXPECT_EQ(problem(R"({"name": "a", "n": "1"})").message, R"(n: must be an integer, got "1")");
  EXPECT_EQ(problem(R"({"name": "a", "n": 1.5})").message, "n: must be an integer, got 1.5");
  EXPECT_EQ(problem(R"({"name": "a", "x": true})").message, "x: must be a number, got true");
  EXPECT_EQ(problem(R"({"name": "a", "on": 1})").message, "on: must be true or false, got 1");
  EXPECT_EQ(problem(R"({"name": "a", "list": {}})").message, "list: must be an array, got {}");
  EXPECT_EQ(problem(R"({"name": "a", "object": []})").message, "object: must be an object, got []");
  EXPECT_EQ(problem(R"({"name": "a", "either": 1})").message, "either: must be a string or an array, got 1");
  EXPECT_EQ(problem(R"({"name": 12345678901234567890123})").message,
            "name: must be a string, got 12345678901234567890123");
}

TEST(FieldReader, EachTypeOfSeveralIsGood) {
  EXPECT_TRUE(Read(R"({"name": "a", "either": "b"})").fields.has("either"));
  EXPECT_TRUE(Read(R"({"name": "a", "either": []})").fields.has("either"));
  for (const char* value : {"1", "{}", "\"a\"", "false"}) Read(fmt::format(R"({{"name": "a", "any": {}}})", value));
}

TEST(FieldReader, WholeNumbersMayBeWrittenAsReal) {
  EXPECT_EQ(Read(R"({"name": "a", "n": 1e3})").fields.integer_or("n", 0, 0, 1000), 1000);
}

TEST(FieldReader, BoundsAreNamed) {
  const auto range = [](std::string_view text) {
    return problem_from([&] { Read(text).fields.integer_or("n", 0, 1, 16); });
  };
  EXPECT_EQ(range(R"({"name": "a", "n": 99})").message, "n: must be an integer from 1 to 16, got 99");
  EXPECT_EQ(range(R"({"name": "a", "n": 0})").param, "n");
  EXPECT_EQ(range(R"({"name": "a", "n": 99999999999999999999})").message,
            "n: must be an integer from 1 to 16, got 99999999999999999999");
  EXPECT_EQ(problem_from([] { Read(R"({"name": "a", "x": 3})").fields.number_or("x", 0, 0, 2); }).message,
            "x: must be a number from 0 to 2, got 3");
  EXPECT_EQ(problem_from([] {
              Read(R"({"name": "a", "n": 0})").fields.integer_or("n", 0, 1, std::numeric_limits<std::int64_t>::max());
            }).message,
            "n: must be an integer of at least 1, got 0");
}

TEST(FieldReader, OneOfSomeWords) {
  EXPECT_EQ(Read(R"({"name": "b"})").fields.one_of("name", "a", {"a", "b"}), "b");
  EXPECT_EQ(Read(R"({"name": "b"})").fields.one_of("either", "a", {"a", "b"}), "a");
  EXPECT_EQ(problem_from([] {
              Read(R"({"name": "c"})").fields.one_of("name", "a", {"a", "b"});
            }).message,
            R"(name: must be one of 'a', 'b', got "c")");
}

TEST(FieldReader, ARefusedFieldSaysWhy) {
  const Problem refused = problem(R"({"name": "a", "audio": {"voice": "b"}})");
  EXPECT_EQ(refused.message, "audio: is not supported: this model reads text only");
  EXPECT_EQ(refused.code, "unsupported_value");
  EXPECT_EQ(refused.param, "audio");
}

TEST(FieldReader, UnknownFieldsAreAllNamed) {
  const Problem unknown = problem(R"({"name": "a", "foo": 1, "n": 1, "bar": 2})", "tools[0]");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(unknown.code, "unknown_parameter");
  EXPECT_EQ(unknown.param, "tools[0].foo");
  EXPECT_EQ(unknown.message,
            "unknown fields 'tools[0].foo', 'tools[0].bar' (`glimt serve --ignore-unknown-fields` accepts them)");
}

TEST(FieldReader, TheListOfUnknownFieldsIsBounded) {
  std::string text = R"({"name": "a")";
  for (int i = 0; i < 5000; ++i) text += fmt::format(R"(, "{}{}": 1)", std::string(100, 'u'), i);
  const Problem unknown = problem(text + "}");
  EXPECT_LT(unknown.message.size(), 1000U);
  EXPECT_LT(unknown.param.size(), 100U);
  EXPECT_THAT(unknown.message, HasSubstr("and 4992 more"));
}

TEST(FieldReader, UnknownFieldsMayBeIgnored) {
  const Read read(R"({"name": "a", "foo": 1, "bar": {}})", UnknownFields::ignore, "tools[0]");
  EXPECT_THAT(read.ignored, ElementsAre("tools[0].foo", "tools[0].bar"));
  EXPECT_EQ(dump_json(read.fields.known()), R"({"name": "a"})");
}

TEST(FieldReader, ALongValueIsShownShort) {
  const Problem wrong = problem(fmt::format(R"({{"name": "a", "n": "{}"}})", std::string(100000, 'x')));
  EXPECT_LT(wrong.message.size(), 200U);
}

}  // namespace
}  // namespace glimt
