#include "api/wire.h"

#include "text/utf8.h"

#include <gtest/gtest.h>

namespace glimt {
namespace {

const json::value kValue = {{"a", "é\n"}, {"b", json::array{1, nullptr}}};

TEST(Wire, Forms) {
  EXPECT_EQ(wire_json(kValue), R"({"a": "é\n", "b": [1, null]})");
  EXPECT_EQ(sse_data(kValue), "data: {\"a\": \"é\\n\", \"b\": [1, null]}\n\n");
  EXPECT_EQ(sse_event("ping", kValue), "event: ping\ndata: {\"a\": \"é\\n\", \"b\": [1, null]}\n\n");
  EXPECT_EQ(sse_comment("here"), ": here\n\n");
  EXPECT_EQ(json_line(kValue), "{\"a\": \"é\\n\", \"b\": [1, null]}\n");
}

TEST(Wire, BytesThatAreNoCharacterAreReplaced) {
  EXPECT_EQ(valid_utf8("a\xC3"), "a\uFFFD");
  EXPECT_EQ(valid_utf8("é"), "é");
  for (const std::string bytes : {"\xFF\xFE", "\xC3", "\xED\xA0\x80", "\xF0\x9F\x98", "a\x80z"}) {
    const std::string line = wire_json(json::object{{bytes + "k", json::array{bytes}}});
    EXPECT_FALSE(find_invalid_utf8(line)) << line;
    EXPECT_NO_THROW(parse_json(line, "line"));
  }
}

// Or a text of the model would come out as a number.
TEST(Wire, TextThatLooksLikeABigIntegerStaysText) {
  EXPECT_EQ(wire_json(json::value(valid_utf8("\xFF"
                                             "123"))),
            "\"\uFFFD123\"");
}

}  // namespace
}  // namespace glimt
