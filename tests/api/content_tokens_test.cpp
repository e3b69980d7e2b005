#include "api/content_tokens.h"

#include <gtest/gtest.h>

#include <limits>

namespace glimt {
namespace {

std::string shown(const std::vector<ContentToken>& tokens) { return dump_json(content_tokens_json(tokens)); }

TEST(ContentTokens, HaveTextBytesAndAlternatives) {
  const ContentToken token{.bytes = "Hi", .logprob = -0.5F, .top = {{"Hi", -0.5F}, {"Ho", -1.25F}}};
  EXPECT_EQ(shown({token}), R"([{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": [)"
                            R"({"token": "Hi", "logprob": -0.5, "bytes": [72, 105]}, )"
                            R"({"token": "Ho", "logprob": -1.25, "bytes": [72, 111]}]}])");
  EXPECT_EQ(shown({}), "[]");
}

TEST(ContentTokens, APartOfACharacterIsNoText) {
  EXPECT_EQ(shown({{.bytes = "\xC3", .logprob = -1, .top = {}}, {.bytes = "\xA5", .logprob = 0, .top = {}}}),
            R"([{"token": "�", "logprob": -1.0, "bytes": [195], "top_logprobs": []}, )"
            R"({"token": "�", "logprob": 0.0, "bytes": [165], "top_logprobs": []}])");
}

TEST(ContentTokens, WhatCannotComeIsANumber) {
  EXPECT_EQ(shown({{.bytes = "a", .logprob = -std::numeric_limits<float>::infinity(), .top = {}}}),
            R"([{"token": "a", "logprob": -9999.0, "bytes": [97], "top_logprobs": []}])");
}

}  // namespace
}  // namespace glimt
