#include "serving/model_facts.h"

#include "base/file.h"
#include "base/temporary_folder.h"

#include <gmock/gmock.h>

#include <thread>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::MatchesRegex;

const fs::path kDemo = fs::path(GLIMT_SOURCE_DIR) / "models/demo";

TEST(ModelFactsTest, OfTheDemoModel) {
  const ModelFacts facts = read_model_facts({"demo", kDemo});
  EXPECT_EQ(facts.problem, "");
  EXPECT_EQ(facts.name, "demo");
  EXPECT_THAT(facts.digest, MatchesRegex("[0-9a-f]{64}"));
  EXPECT_GT(facts.bytes, fs::file_size(kDemo / "model.safetensors"));
  EXPECT_EQ(facts.model_type, "glm4_moe_lite");
  EXPECT_EQ(facts.context, 2048U);
  EXPECT_GT(facts.parameters, 1'000'000U);
  EXPECT_GT(facts.hidden_size, 0U);
  EXPECT_GT(facts.layers, 0U);
  EXPECT_FALSE(facts.quantization.empty());
  EXPECT_EQ(facts.chat_template, read_file(kDemo / "chat_template.jinja"));
  const auto modified = fs::last_write_time(kDemo / "model.safetensors");
  EXPECT_GE(facts.modified.time_since_epoch(), fs::file_time_type::clock::to_sys(modified).time_since_epoch());
}

TEST(ModelFactsTest, TheDigestIsStableUntilAFileChanges) {
  const TemporaryFolder folder;
  const fs::path model = folder.path() / "m";
  fs::copy(kDemo, model);
  const std::string first = read_model_facts({"m", model}).digest;
  EXPECT_EQ(read_model_facts({"m", model}).digest, first);
  EXPECT_EQ(read_model_facts({"another name", model}).digest, first);
  const auto time = fs::last_write_time(model / "config.json");
  std::string config = read_file(model / "config.json");
  config[config.find('\n')] = ' ';
  write_file_atomically(model / "config.json", config);
  fs::last_write_time(model / "config.json", time);  // of the same size and time, with another content
  const std::string second = read_model_facts({"m", model}).digest;
  EXPECT_NE(second, first);
  fs::last_write_time(model / "model.safetensors", time + std::chrono::seconds(7));
  EXPECT_NE(read_model_facts({"m", model}).digest, second);
}

TEST(ModelFactsTest, ABrokenModelHasAProblemAndNoMore) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "config.json", "{");
  const ModelFacts facts = read_model_facts({"broken", folder.path()});
  EXPECT_THAT(facts.problem, HasSubstr("config.json"));
  EXPECT_EQ(facts.bytes, 1U);
  EXPECT_EQ(facts.digest.size(), 64U);
  EXPECT_EQ(facts.parameters, 0U);
  EXPECT_THAT(read_model_facts({"gone", folder.path() / "gone"}).problem, HasSubstr("gone"));
}

TEST(ModelCatalogTest, ReadsAFolderAgainWhenItHasChanged) {
  const TemporaryFolder folder;
  ModelCatalog catalog;
  write_file_atomically(folder.path() / "config.json", "{}");
  const auto first = catalog.facts({"m", folder.path()});
  EXPECT_EQ(catalog.facts({"m", folder.path()}), first);
  write_file_atomically(folder.path() / "LICENSE", "Do what you like.");
  const auto second = catalog.facts({"m", folder.path()});
  EXPECT_NE(second, first);
  EXPECT_EQ(second->license, "Do what you like.");
}

}  // namespace
}  // namespace glimt
