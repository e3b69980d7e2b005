#include "base/error.h"
#include "base/file.h"
#include "sampling/params.h"

#include <gmock/gmock.h>

#include <cmath>
#include <filesystem>
#include <functional>

namespace glimt {
namespace {

using testing::HasSubstr;

std::string message_of(const std::function<void()>& action, ErrorKind kind) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

struct BadField {
  const char* field;
  std::function<void(SamplingParams&)> set;
};

TEST(SamplingParams, DefaultsAreValid) { SamplingParams{}.validate(); }

TEST(SamplingParams, NamesTheBadField) {
  const std::vector<BadField> cases = {
      {"temperature", [](auto& p) { p.temperature = -0.1F; }},
      {"temperature", [](auto& p) { p.temperature = std::nanf(""); }},
      {"temperature", [](auto& p) { p.temperature = INFINITY; }},
      {"top_k", [](auto& p) { p.top_k = -1; }},
      {"top_p", [](auto& p) { p.top_p = 1.01F; }},
      {"top_p", [](auto& p) { p.top_p = std::nanf(""); }},
      {"min_p", [](auto& p) { p.min_p = -0.5F; }},
      {"typical_p", [](auto& p) { p.typical_p = 0; }},
      {"repeat_penalty", [](auto& p) { p.repeat_penalty = 0; }},
      {"presence_penalty", [](auto& p) { p.presence_penalty = INFINITY; }},
      {"frequency_penalty", [](auto& p) { p.frequency_penalty = -1e9F; }},
      {"repeat_last_n", [](auto& p) { p.repeat_last_n = -2; }},
      {"dry_multiplier", [](auto& p) { p.dry.multiplier = -1; }},
      {"dry_base", [](auto& p) { p.dry.base = 0.5F; }},
      {"dry_allowed_length", [](auto& p) { p.dry.allowed_length = 0; }},
      {"dry_last_n", [](auto& p) { p.dry.last_n = -5; }},
      {"logit_bias", [](auto& p) { p.logit_bias[3] = std::nanf(""); }},
      {"logit_bias: must have at most 4096 entries, got 4097",
       [](auto& p) {
         for (TokenId token = 0; token <= 4096; ++token) p.logit_bias[token] = 1;
       }},
      {"dry_sequence_breakers: must have at most 262144 entries, got 262145",
       [](auto& p) { p.dry.breakers.assign(262145, 0); }},
      {"top_logprobs", [](auto& p) { p.top_logprobs = 101; }},
      {"top_logprobs: needs logprobs", [](auto& p) { p.top_logprobs = 1; }},
  };
  for (const BadField& bad : cases) {
    SamplingParams params;
    bad.set(params);
    EXPECT_THAT(message_of([&] { params.validate(); }, ErrorKind::invalid_request), testing::StartsWith(bad.field));
  }
}

class GenerationConfig : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::create_directories(folder_);
    std::filesystem::remove(folder_ / "generation_config.json");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  SamplingParams read(std::string_view text) {
    write_file_atomically(folder_ / "generation_config.json", text);
    return SamplingParams::from_generation_config(folder_);
  }
  std::filesystem::path folder_;
};

TEST_F(GenerationConfig, AbsentFileGivesTheVendorsAdvice) {
  const SamplingParams params = SamplingParams::from_generation_config(folder_);
  EXPECT_EQ(params.temperature, 1.0F);
  EXPECT_EQ(params.top_p, 0.95F);
  EXPECT_EQ(params.repeat_penalty, 1.0F);
}

TEST_F(GenerationConfig, FileWins) {
  const SamplingParams params = read(
      R"({"temperature": 0.7, "top_p": 1.0, "top_k": 20, "min_p": 0.05, "typical_p": 0.9, "repetition_penalty": 1.1,
          "eos_token_id": [1, 2], "do_sample": true})");
  EXPECT_EQ(params.temperature, 0.7F);
  EXPECT_EQ(params.top_p, 1.0F);
  EXPECT_EQ(params.top_k, 20);
  EXPECT_EQ(params.min_p, 0.05F);
  EXPECT_EQ(params.typical_p, 0.9F);
  EXPECT_EQ(params.repeat_penalty, 1.1F);
  EXPECT_EQ(params.repeat_last_n, -1);
  params.validate();
}

TEST_F(GenerationConfig, UnsaidFieldsAreTheVendors) {
  const SamplingParams params = read(R"({"temperature": 0.5, "top_k": null})");
  EXPECT_EQ(params.temperature, 0.5F);
  EXPECT_EQ(params.top_p, 0.95F);
  EXPECT_EQ(params.top_k, 0);
}

TEST_F(GenerationConfig, DoSampleFalseIsGreedy) {
  EXPECT_EQ(read(R"({"do_sample": false, "temperature": 1.0})").temperature, 0);
}

TEST_F(GenerationConfig, WrongFieldsNameFileAndField) {
  for (const char* text : {R"({"temperature": "hot"})", R"({"temperature": -1})"}) {
    const std::string message = message_of([&] { read(text); }, ErrorKind::bad_file);
    EXPECT_THAT(message, HasSubstr("generation_config.json"));
    EXPECT_THAT(message, HasSubstr("temperature"));
  }
  EXPECT_THAT(message_of([&] { read("[]"); }, ErrorKind::bad_file), HasSubstr("object"));
  EXPECT_THAT(message_of([&] { read("{"); }, ErrorKind::bad_file), HasSubstr("JSON"));
}

}  // namespace
}  // namespace glimt
