#include "hub/foreign_stores.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "hub/digest.h"
#include "hub/manifest.h"
#include "hub/scoped_variable.h"
#include "hub/store_changes.h"

#include <gmock/gmock.h>

#include <fstream>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kCommit = "0123456789abcdef0123456789abcdef01234567";
constexpr const char* kConfig = R"({"model_type": "glm4_moe_lite"})";

// A cache of Hugging Face's client with one model: blobs named by their hash, links in the snapshot.
class Cache {
 public:
  Cache() {
    folder_.write(repository() / "refs/main", kCommit);
    fs::create_directories(snapshot());
    add("config.json", kConfig);
    add("model.safetensors.index.json", R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})");
    add("model-1.safetensors", "first");
    add("model-2.safetensors", "second");
  }
  static fs::path repository() { return "models--org--name"; }
  const fs::path& place() const { return folder_.path(); }
  fs::path snapshot() const { return place() / repository() / "snapshots" / kCommit; }
  fs::path blob(const std::string& content) const { return place() / repository() / "blobs" / sha256_of(content); }
  void add(const std::string& name, const std::string& content) {
    folder_.write(blob(content), content);
    fs::create_symlink(fs::path("../../blobs") / sha256_of(content), snapshot() / name);
  }
  std::optional<ForeignModel> find(const char* name) const {
    return find_in_huggingface_cache(place(), *parse_model_name(name));
  }

 private:
  TemporaryFolder folder_;
};

std::vector<std::string> names(const std::vector<StoredModel>& models) {
  std::vector<std::string> all;
  for (const StoredModel& model : models) all.push_back(model.name);
  return all;
}

TEST(HuggingFaceCache, WholeSnapshotsAreModels) {
  const Cache cache;
  for (const char* name : {"org/name", "org/name@0123456789abcdef0123456789abcdef01234567"}) {
    const auto found = cache.find(name);
    ASSERT_TRUE(found) << name;
    EXPECT_EQ(found->folder, cache.snapshot());
  }
  EXPECT_EQ(resolve_model("org/name", {cache.place()}), cache.snapshot());
  EXPECT_THAT(names(list_models({cache.place()})), ElementsAre("org/name"));
  EXPECT_FALSE(cache.find("org/name@other"));
  EXPECT_FALSE(cache.find("org/another"));
}

TEST(HuggingFaceCache, PartialSnapshotsAreNone) {
  const Cache cache;
  fs::remove(cache.blob("second"));
  EXPECT_THAT(cache.find("org/name")->problem, HasSubstr("lacks model-2.safetensors"));
  EXPECT_THAT(list_models({cache.place()}), IsEmpty());
  EXPECT_ERROR(resolve_model("org/name", {cache.place()}), ErrorKind::not_found,
               HasSubstr("lacks model-2.safetensors"));
  fs::remove(cache.snapshot() / "config.json");
  EXPECT_THAT(cache.find("org/name")->problem, HasSubstr("lacks config.json"));
}

TEST(HuggingFaceCache, OtherFamiliesAreFoundButNotListed) {
  Cache cache;
  fs::remove(cache.snapshot() / "config.json");
  cache.add("config.json", R"({"model_type": "bert"})");
  EXPECT_THAT(list_huggingface_cache(cache.place()), IsEmpty());
  EXPECT_EQ(cache.find("org/name")->folder, cache.snapshot());
}

TEST(HuggingFaceCache, BlobsNamesAreTheirHashes) {
  const Cache cache;
  EXPECT_THAT(verify_model(cache.snapshot()), IsEmpty());
  std::ofstream(cache.blob("second"), std::ios::binary) << "Second";
  const auto differences = verify_model(cache.snapshot());
  ASSERT_EQ(differences.size(), 1U);
  EXPECT_EQ(differences[0].path, "model-2.safetensors");
  EXPECT_THAT(differences[0].what, HasSubstr("sha256 must be " + sha256_of("second")));
}

TEST(HuggingFaceCache, FollowsTheEnvironment) {
  const ScopedVariable home("HOME", "/home/someone"), cache("XDG_CACHE_HOME", nullptr), hub("HF_HUB_CACHE", nullptr);
  {
    const ScopedVariable hf_home("HF_HOME", "/hf");
    EXPECT_EQ(foreign_places().at(0), "/hf/hub");
    const ScopedVariable direct("HF_HUB_CACHE", "/cache");
    EXPECT_EQ(foreign_places().at(0), "/cache");
  }
  const ScopedVariable hf_home("HF_HOME", ""), models("OLLAMA_MODELS", nullptr);
  EXPECT_THAT(foreign_places(), ElementsAre("/home/someone/.cache/huggingface/hub", "/home/someone/.ollama/models",
                                            "/usr/share/ollama/.ollama/models"));
}

// A store of Ollama's, and a cache for what glimt makes of it.
class Ollama : public testing::Test {
 protected:
  std::string layer(const std::string& type, const std::string& name, const std::string& content) {
    const std::string digest = sha256_of(content);
    folder_.write("blobs/sha256-" + digest, content);
    return R"({"mediaType": "application/vnd.ollama.image.)" + type + R"(", "digest": "sha256:)" + digest +
           R"(", "size": )" + std::to_string(content.size()) + R"(, "name": ")" + name + R"("})";
  }
  void manifest(const std::string& path, const std::string& layers) {
    folder_.write("manifests/registry.ollama.ai/" + path, R"({"layers": [)" + layers + "]}");
  }
  std::optional<ForeignModel> find(const char* name) { return find_in_ollama_store(place(), *parse_model_name(name)); }
  const fs::path& place() const { return folder_.path(); }

  TemporaryFolder folder_, cache_;
  ScopedVariable variable_{"XDG_CACHE_HOME", cache_.path().c_str()};
};

TEST_F(Ollama, SafetensorsLayersAreAFolder) {
  manifest("library/glm/latest",
           layer("json", "config.json", kConfig) + "," + layer("tensor", "lm_head.weight", "tensor bytes"));
  const auto found = find("glm");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->problem, "");
  EXPECT_EQ(read_file(found->folder / "config.json"), kConfig);
  EXPECT_EQ(read_file(found->folder / "model-lm_head.weight.safetensors"), "tensor bytes");
  EXPECT_EQ(find("glm:latest")->folder, found->folder) << "it is made once";
  EXPECT_THAT(names(list_models({place()})), ElementsAre("glm"));
  EXPECT_EQ(resolve_model("glm", {place()}), found->folder);
  EXPECT_THAT(verify_model(found->folder), IsEmpty());
  EXPECT_FALSE(find("glm:other"));
}

TEST_F(Ollama, GgufIsAnsweredWithWhatToDo) {
  manifest("someone/flash/q4", layer("model", "", "GGUF"));
  EXPECT_ERROR(resolve_model("someone/flash:q4", {place()}), ErrorKind::not_found, HasSubstr("`glimt pull"));
  EXPECT_THAT(list_models({place()}), IsEmpty());
}

TEST_F(Ollama, WhatIsBrokenIsAProblem) {
  manifest("library/a/latest", layer("json", "../config.json", kConfig));
  EXPECT_THAT(find("a")->problem, HasSubstr("'../config.json' is no name"));
  manifest("library/b/latest", layer("json", "config.json", kConfig));
  fs::remove(place() / "blobs" / ("sha256-" + sha256_of(kConfig)));
  EXPECT_THAT(find("b")->problem, HasSubstr("lacks config.json"));
  folder_.write("manifests/registry.ollama.ai/library/c/latest", "{");
  EXPECT_THAT(find("c")->problem, HasSubstr("cannot be used"));
  EXPECT_THAT(list_models({place()}), IsEmpty());
}

}  // namespace
}  // namespace glimt
