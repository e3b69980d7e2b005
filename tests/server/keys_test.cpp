#include "server/keys.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>

#include <filesystem>

namespace glimt {
namespace {

using ::testing::HasSubstr;

HttpRequest with(const char* name, const char* value) {
  HttpRequest request;
  request.fields = {{name, value}};
  return request;
}

TEST(ApiKeys, AreFoundInBothFields) {
  const ApiKeys keys = ApiKeys::from_text("# comment\n\nfirst-key name=ann\n  second-key  \n", "keys");
  EXPECT_TRUE(keys.required());
  EXPECT_EQ(keys.size(), 2U);
  EXPECT_EQ(keys.find(with("authorization", "Bearer first-key"))->name(), "ann");
  EXPECT_EQ(keys.find(with("authorization", "bEaReR  first-key "))->name(), "ann");
  EXPECT_EQ(keys.find(with("x-api-key", "first-key"))->name(), "ann");
  EXPECT_THAT(keys.find(with("x-api-key", "second-key"))->name(), HasSubstr("key-"));
  for (const char* wrong : {"", "first", "first-key2", "Bearer first-key", "ann"}) {
    EXPECT_EQ(keys.find(with("x-api-key", wrong)), nullptr) << wrong;
  }
  for (const char* wrong : {"", "Bearer", "Bearer ", "Basic first-key", "first-key", "Bearer second-ke"}) {
    EXPECT_EQ(keys.find(with("authorization", wrong)), nullptr) << wrong;
  }
  EXPECT_FALSE(ApiKeys().required());
}

TEST(ApiKeys, ChangeModelsOnlyWhereTheFileSaysSo) {
  const ApiKeys keys = ApiKeys::from_text("first-key name=ann\nsecond-key models=change requests=5\n", "keys");
  EXPECT_FALSE(keys.find(with("x-api-key", "first-key"))->changes_models());
  EXPECT_TRUE(keys.find(with("x-api-key", "second-key"))->changes_models());
  EXPECT_ERROR(ApiKeys::from_text("first-key models=all\n", "keys"), ErrorKind::bad_file, HasSubstr("models=change"));
}

TEST(ApiKeys, SayWhatIsWrongWithTheirFile) {
  const auto refused = [](const char* text, const char* why) {
    EXPECT_ERROR(ApiKeys::from_text(text, "keys"), ErrorKind::bad_file, HasSubstr(why));
  };
  refused("", "holds no key");
  refused("# none\n", "holds no key");
  refused("short\n", "line 1: a key has 8 to 512 characters");
  refused("good-key-1\ngood-key-1\n", "line 2: the same key again");
  refused("good-key-1 name=a\ngood-key-2 name=a\n", "the name 'a' again");
  refused("good-key-1 requests=0\n", "requests: a number above 0 is wanted, got '0'");
  refused("good-key-1 tokens=1x\n", "tokens: a number above 0 is wanted, got '1x'");
  refused("good-key-1 color=red\n", "got 'color=red'");
}

TEST(ApiKeys, AFileThatOthersMayWriteIsRefused) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "keys";
  write_file_atomically(file, "good-key-1\n");
  std::filesystem::permissions(file, std::filesystem::perms(0600));
  EXPECT_EQ(ApiKeys::from_file(file).size(), 1U);
  std::filesystem::permissions(file, std::filesystem::perms(0666));
  EXPECT_ERROR(ApiKeys::from_file(file), ErrorKind::bad_file, HasSubstr("others may write it"));
  EXPECT_ERROR(ApiKeys::from_file(folder.path() / "none"), ErrorKind::not_found, HasSubstr("none"));
}

TEST(Allowance, FillsUpAgain) {
  Allowance allowance(60);
  const auto start = Allowance::Clock::now();
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(allowance.wait(start), 0);
    allowance.spend(1);
  }
  EXPECT_NEAR(allowance.wait(start), 1, 0.1);
  EXPECT_EQ(allowance.wait(start + std::chrono::seconds(2)), 0);
  allowance.spend(600);
  EXPECT_NEAR(allowance.wait(start + std::chrono::seconds(2)), 600, 2);
  Allowance none(0);
  none.spend(1e9);
  EXPECT_EQ(none.wait(start), 0);
}

TEST(ApiKey, SaysWhenTheNextRequestMayCome) {
  const ApiKeys keys = ApiKeys::from_text("good-key-1 requests=1 tokens=100\n", "keys");
  const auto key = keys.find(with("x-api-key", "good-key-1"));
  EXPECT_FALSE(key->admit());
  const std::optional<Problem> refused = key->admit();
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->code, "rate_limit_exceeded");
  EXPECT_NEAR(refused->retry_after, 60, 1);
}

}  // namespace
}  // namespace glimt
