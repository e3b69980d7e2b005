#include "api/openai_embeddings.h"

#include "api/api_errors.h"
#include "api/base64.h"
#include "api/openai_answer_fields.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

OpenAiEmbeddings parsed(std::string_view body) { return parse_openai_embeddings(object_of(body), {}); }
Problem problem(std::string_view body) {
  return problem_from([&] { parsed(body); });
}

TEST(EmbeddingsRequest, OneTextOrSeveral) {
  EXPECT_THAT(parsed(R"({"input": "a"})").request.inputs, ElementsAre("a"));
  EXPECT_THAT(parsed(R"({"input": ["a", "b"]})").request.inputs, ElementsAre("a", "b"));
  EXPECT_EQ(problem(R"({})").message, "input: is required");
  EXPECT_EQ(problem(R"({"input": ""})").message, "input: must not be empty");
  EXPECT_EQ(problem(R"({"input": []})").message, "input: must not be empty");
  EXPECT_EQ(problem(R"({"input": ["a", ""]})").message, "input[1]: must not be empty");
  EXPECT_EQ(problem(R"({"input": ["a", null]})").message, "input[1]: must be a string, got null");
}

TEST(EmbeddingsRequest, TheirNumberIsBounded) {
  std::string many = "[\"0\"";
  for (int i = 1; i < 2049; ++i) many += ", \"x\"";
  EXPECT_EQ(problem(fmt::format(R"({{"input": {}]}})", many)).message,
            "input: must have at most 2048 entries, got 2049");
}

TEST(EmbeddingsRequest, TokenIdsAreNotText) {
  for (const char* input : {"[1, 2]", "[[1, 2]]"}) {
    const Problem ids = problem(fmt::format(R"({{"input": {}}})", input));
    EXPECT_EQ(ids.status, 400);
    EXPECT_THAT(ids.message, HasSubstr("token ids are not supported"));
    EXPECT_THAT(ids.message, HasSubstr("check_embedding_ctx_length=False"));
  }
}

TEST(EmbeddingsRequest, OtherFields) {
  const OpenAiEmbeddings some =
      parsed(R"({"input": "a", "model": "m", "encoding_format": "base64", "dimensions": 8, "user": "u"})");
  EXPECT_EQ(some.request.model, "m");
  EXPECT_TRUE(some.base64);
  EXPECT_EQ(some.request.dimensions, 8U);
  EXPECT_FALSE(some.request.truncate);
  EXPECT_FALSE(parsed(R"({"input": "a"})").base64);
  EXPECT_FALSE(parsed(R"({"input": "a", "encoding_format": "float"})").base64);
  EXPECT_EQ(problem(R"({"input": "a", "encoding_format": "int8"})").param, "encoding_format");
  EXPECT_EQ(problem(R"({"input": "a", "dimensions": 0})").param, "dimensions");
  EXPECT_EQ(problem(R"({"input": "a", "foo": 0})").code, "unknown_parameter");
}

const std::vector<std::vector<float>> kVectors = {{1, -0.5F}, {0, 0.25F}};

TEST(EmbeddingsAnswer, Floats) {
  EXPECT_EQ(dump_json(openai_embeddings_answer("m", kVectors, 3, false)),
            R"({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0, -0.5]}, )"
            R"({"object": "embedding", "index": 1, "embedding": [0.0, 0.25]}], "model": "m", )"
            R"("usage": {"prompt_tokens": 3, "total_tokens": 3}})");
}

TEST(EmbeddingsAnswer, FitsItsTables) {
  std::vector<std::string> ignored;
  for (const bool base64 : {false, true}) {
    const json::object answer = openai_embeddings_answer("m", kVectors, 3, base64);
    EXPECT_NO_THROW(FieldReader(answer, kEmbeddingList, {}, UnknownFields::refuse, ignored));
    const json::object& one = answer.at("data").at(0).as_object();
    EXPECT_NO_THROW(FieldReader(one, kEmbedding, {}, UnknownFields::refuse, ignored));
  }
}

TEST(EmbeddingsAnswer, Base64IsLittleEndianFloat32) {
  const json::object answer = openai_embeddings_answer("m", kVectors, 3, true);
  const std::string_view text(answer.at("data").at(0).at("embedding").as_string());
  EXPECT_EQ(base64_decode(text), std::string("\x00\x00\x80\x3F\x00\x00\x00\xBF", 8));
}

}  // namespace
}  // namespace glimt
