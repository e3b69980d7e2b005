#include "convert/made_config.h"

#include <gtest/gtest.h>

namespace glimt::convert {
namespace {

TEST(MadeConfig, IsWrittenAsPythonIndentsIt) {
  const json::value value = {{"a", json::array{1, 2}},
                             {"b", json::array{}},
                             {"c", json::object{}},
                             {"d", {{"e", nullptr}, {"f", 1e-05}}},
                             {"g", "x\"y"}};
  EXPECT_EQ(indented(value),
            "{\n    \"a\": [\n        1,\n        2\n    ],\n    \"b\": [],\n    \"c\": {},\n"
            "    \"d\": {\n        \"e\": null,\n        \"f\": 1e-05\n    },\n    \"g\": \"x\\\"y\"\n}");
}

TEST(MadeConfig, KeepsEveryFieldSortedAndDropsAnOldQuantization) {
  const json::object source = {
      {"z", 1}, {"quantization", {{"bits", 4}}}, {"quantization_config", {{"bits", 4}}}, {"a", "x"}};
  EXPECT_EQ(dump_json(made_config(source, {})), R"({"a": "x", "z": 1})");
}

}  // namespace
}  // namespace glimt::convert
