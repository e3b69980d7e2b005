#include "api/sampling_fields.h"

#include "api/api_errors.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

using Use = ApiField::Use;

constexpr ApiField kFields[] = {
    {"temperature", Use::honoured, R"({"type": "number"})", ""},
    {"top_k", Use::honoured, R"({"type": "number"})", ""},
    {"typical_p", Use::honoured, R"({"type": "number"})", ""},
    {"repetition_penalty", Use::honoured, R"({"type": "number"})", ""},
    {"logprobs", Use::honoured, R"({"type": "boolean"})", ""},
    {"top_logprobs", Use::honoured, R"({"type": "integer"})", ""},
};
constexpr ApiObject kTable{"Test", kFields};
constexpr SamplingName kNames[] = {{"temperature", "temperature", 0, 2},
                                   {"top_k", "top_k"},
                                   {"typical_p", "typical_p"},
                                   {"repetition_penalty", "repeat_penalty"}};

SamplingChanges changes(std::string_view text) {
  std::vector<std::string> ignored;
  const json::object object = object_of(text);
  const FieldReader fields(object, kTable, "options", UnknownFields::refuse, ignored);
  SamplingChanges result;
  read_sampling(fields, kNames, result);
  read_logprobs(fields, result);
  return result;
}

std::string message(std::string_view text) {
  return problem_from([&] { changes(text); }).message;
}

TEST(SamplingFields, OnlyWhatIsSaidChangesTheDefaults) {
  SamplingParams defaults;
  defaults.temperature = 0.7F;
  defaults.top_p = 0.9F;
  defaults.top_k = 5;
  const SamplingParams params = changes(R"({"top_k": 40, "repetition_penalty": 1.5})").over(defaults);
  EXPECT_EQ(params.temperature, 0.7F);
  EXPECT_EQ(params.top_p, 0.9F);
  EXPECT_EQ(params.top_k, 40);
  EXPECT_EQ(params.repeat_penalty, 1.5F);
  EXPECT_FALSE(params.logprobs);
  EXPECT_EQ(changes(R"({"temperature": 0})").over(defaults).temperature, 0);
}

TEST(SamplingFields, SeedAndBiasGoOverTheDefaults) {
  SamplingChanges some;
  some.seed = 7;
  some.logit_bias = {{3, -1.0F}};
  SamplingParams defaults;
  defaults.logit_bias = {{3, 5.0F}, {4, 6.0F}};
  const SamplingParams params = some.over(defaults);
  EXPECT_EQ(params.seed, 7U);
  EXPECT_THAT(params.logit_bias, testing::ElementsAre(testing::Pair(3, -1.0F), testing::Pair(4, 6.0F)));
  EXPECT_FALSE(SamplingChanges().over(defaults).seed);
}

TEST(SamplingFields, TheTighterBoundHolds) {
  EXPECT_EQ(message(R"({"temperature": 2.5})"), "options.temperature: must be a number from 0 to 2, got 2.5");
  EXPECT_EQ(message(R"({"top_k": -1})"), "options.top_k: must be a number from 0 to 2147483647, got -1");
  EXPECT_EQ(message(R"({"top_k": 1.5})"), "options.top_k: must be a whole number, got 1.5");
  EXPECT_EQ(message(R"({"typical_p": 0})"), "options.typical_p: must be above 0 and at most 1, got 0");
  EXPECT_EQ(problem_from([&] { changes(R"({"top_k": 1.5})"); }).param, "options.top_k");
}

TEST(SamplingFields, Logprobs) {
  const SamplingParams params = changes(R"({"logprobs": true, "top_logprobs": 20})").over({});
  EXPECT_TRUE(params.logprobs);
  EXPECT_EQ(params.top_logprobs, 20);
  EXPECT_NO_THROW(changes(R"({"top_logprobs": 0})"));
  EXPECT_EQ(message(R"({"top_logprobs": 1})"), "options.top_logprobs: needs 'logprobs' to be true");
  EXPECT_EQ(message(R"({"logprobs": true, "top_logprobs": 21})"),
            "options.top_logprobs: must be an integer from 0 to 20, got 21");
}

}  // namespace
}  // namespace glimt
