#include "hub/model_name.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

TEST(ModelName, HasParts) {
  const auto name = parse_model_name("zai-org/GLM-4.7-Flash@refs/pr/1");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->owner, "zai-org");
  EXPECT_EQ(name->name, "GLM-4.7-Flash");
  EXPECT_EQ(name->revision(), "refs/pr/1");
  EXPECT_EQ(name->repository(), "zai-org/GLM-4.7-Flash");
  EXPECT_EQ(name->text(), "zai-org/GLM-4.7-Flash@refs/pr/1");
  EXPECT_EQ(parse_model_name("demo")->owner, "");
  EXPECT_EQ(parse_model_name("demo:4bit")->revision(), "4bit");
}

TEST(ModelName, WhatANameMeansAnywayIsDropped) {
  EXPECT_EQ(parse_model_name("a/b:latest")->text(), "a/b");
  EXPECT_EQ(parse_model_name("a/b@main")->text(), "a/b");
  EXPECT_EQ(parse_model_name("a/b@latest")->text(), "a/b@latest");
}

TEST(ModelName, OtherTextIsNone) {
  for (const char* text : {"",      "/",     "a/",    "/a", "a//b", "a/b/c", "../a",   "a/..",   ".a",
                           "a b",   "a\\b",  "a@",    "a:", "a@/b", "a@b/",  "a@b//c", "a@../b", "a@b/..",
                           "a@b@c", "a:b:c", "a@b:c", "@a", ":a",   "a/@b",  "ä"}) {
    EXPECT_FALSE(parse_model_name(text)) << text;
  }
  EXPECT_FALSE(parse_model_name(std::string(201, 'a')));
  EXPECT_FALSE(parse_model_name(std::string_view("a\0", 2)));
}

TEST(ModelName, EveryNameHasOneFolder) {
  for (const char* text : {"a", "a/b", "a/b@c", "a/b:c", "a/b@c/d", "a:c", "a/b@x.y-z_1"}) {
    const auto name = parse_model_name(text);
    ASSERT_TRUE(name) << text;
    const std::filesystem::path folder = model_folder("/place", *name);
    const auto back = model_name_of_folder(name->owner, folder.filename().string());
    ASSERT_TRUE(back) << folder;
    EXPECT_EQ(back->text(), text);
    EXPECT_EQ(folder.lexically_normal(), folder);
    EXPECT_EQ(folder.parent_path(), name->owner.empty() ? "/place" : "/place/a");
  }
  EXPECT_EQ(model_folder("/p", *parse_model_name("a/b@c/d")), "/p/a/b@c%2Fd");
  EXPECT_FALSE(model_name_of_folder("a", "b@main")) << "its name is a/b, whose folder is another";
  EXPECT_FALSE(model_name_of_folder("", "a%2Fb"));
  EXPECT_FALSE(model_name_of_folder("", ".removed"));
}

TEST(ModelName, HubsHaveRules) {
  const auto may = [](const char* text) { return is_hub_name(*parse_model_name(text)); };
  EXPECT_TRUE(may("zai-org/GLM-4.7-Flash"));
  for (const char* text : {"demo", "a/b--c", "a/b..c", "a/b-", "a/b.", "-a/b"}) EXPECT_FALSE(may(text)) << text;
  EXPECT_FALSE(may(("a/" + std::string(97, 'b')).c_str()));
}

TEST(ModelName, FoldersOfTheCacheHaveNames) {
  EXPECT_EQ(model_name_of_cache_folder("models--zai-org--GLM-4.7-Flash")->text(), "zai-org/GLM-4.7-Flash");
  EXPECT_EQ(model_name_of_cache_folder("models--gpt2")->text(), "gpt2");
  EXPECT_FALSE(model_name_of_cache_folder("datasets--a--b"));
  EXPECT_FALSE(model_name_of_cache_folder("models--"));
}

}  // namespace
}  // namespace glimt
