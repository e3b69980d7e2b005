#include "serving/model_names.h"

#include "base/throws.h"

namespace glimt {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

ModelNames three() {
  return {.models = {{"Big", "/models/Big"}, {"demo", "/models/demo"}, {"zai-org/GLM", "/models/zai-org/GLM"}},
          .default_model = StoredModel{"demo", "/models/demo"}};
}

std::string found(const std::string& asked, const ModelNames& names = three()) { return find_model(names, asked).name; }

TEST(ModelNamesTest, ANameIsExactOrTaggedOrInAnotherCase) {
  EXPECT_EQ(found("Big"), "Big");
  EXPECT_EQ(found("Big:latest"), "Big");
  EXPECT_EQ(found("big"), "Big");
  EXPECT_EQ(found("BIG:latest"), "Big");
  EXPECT_EQ(found("zai-org/GLM"), "zai-org/GLM");
  EXPECT_EQ(found("ZAI-ORG/glm:latest"), "zai-org/GLM");
}

TEST(ModelNamesTest, TheExactNameComesFirst) {
  const ModelNames names{.models = {{"A", "/1"}, {"a", "/2"}, {"a:latest", "/3"}, {"gpt-4", "/4"}},
                         .default_model = StoredModel{"a", "/2"}};
  EXPECT_EQ(find_model(names, "a").folder, "/2");
  EXPECT_EQ(find_model(names, "A").folder, "/1");
  EXPECT_EQ(find_model(names, "a:latest").folder, "/3");
  EXPECT_EQ(find_model(names, "gpt-4").folder, "/4");   // a model of this name is no alias
  EXPECT_EQ(find_model(names, "gpt-4o").folder, "/2");  // this one is
}

TEST(ModelNamesTest, AFolderIsAModelOnlyIfItIsOneOfThem) {
  EXPECT_EQ(found("/models/demo"), "demo");
  EXPECT_EQ(found("/models/demo/"), "demo");
  EXPECT_EQ(found("/models/../models/zai-org/GLM"), "zai-org/GLM");
  EXPECT_ERROR(found("/etc"), ErrorKind::not_found, HasSubstr("'/etc'"));
}

TEST(ModelNamesTest, VendorsNamesMeanTheDefault) {
  for (const char* name : {"claude-opus-4-8", "claude-haiku-4-5-20251001", "Claude-3", "anthropic/claude-sonnet-4",
                           "gpt-5", "gpt-oss:latest", "chatgpt-4o-latest", "codex-mini", "o1", "o3-mini", "o4-mini",
                           "haiku", "sonnet", "opus", "Opus:latest", ""}) {
    EXPECT_EQ(found(name), "demo") << name;
  }
  for (const char* name : {"o5", "claude", "gpt", "ohno", "opusculum", "sonnet-3", "my-gpt-5", ":latest"}) {
    EXPECT_ERROR(found(name), ErrorKind::not_found, HasSubstr(name));
  }
}

TEST(ModelNamesTest, StrictNamesMeanThemselves) {
  ModelNames names = three();
  names.strict = true;
  EXPECT_ERROR(found("claude-opus-4-8", names), ErrorKind::not_found, HasSubstr("'claude-opus-4-8'"));
  EXPECT_EQ(found("", names), "demo");
}

TEST(ModelNamesTest, WithoutADefaultAnAliasMeansNothing) {
  ModelNames names = three();
  names.default_model.reset();
  EXPECT_ERROR(found("gpt-5", names), ErrorKind::not_found, HasSubstr("'gpt-5'"));
  EXPECT_ERROR(found("", names), ErrorKind::invalid_request, HasSubstr("no default"));
}

TEST(ModelNamesTest, SaysWhatThereIs) {
  EXPECT_ERROR(found("foo"), ErrorKind::not_found, AllOf(HasSubstr("'foo'"), HasSubstr("Big, demo, zai-org/GLM")));
  EXPECT_ERROR(find_model({}, "foo"), ErrorKind::not_found, HasSubstr("there are none"));
  const std::string huge(1 << 20, '\xc3');
  EXPECT_ERROR(found(huge), ErrorKind::not_found, AllOf(HasSubstr("1048576 bytes"), Not(HasSubstr("\xc3"))));
}

}  // namespace
}  // namespace glimt
