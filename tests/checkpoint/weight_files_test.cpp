// Which files hold the weights, in folders as people have them.
#include "checkpoint/weight_files.h"

#include "base/temporary_folder.h"
#include "base/throws.h"

namespace glimt {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> names_of(const std::vector<std::filesystem::path>& paths) {
  std::vector<std::string> names;
  for (const auto& path : paths) names.push_back(path.filename().string());
  return names;
}

class WeightFilesOf : public testing::Test {
 protected:
  void put(std::initializer_list<const char*> names) const {
    for (const char* name : names) folder_.write(name, "");
  }
  // An index that says tensor t0 is in the first file, t1 in the second, …
  void put_index(const std::vector<std::string>& files) const {
    std::string map;
    for (std::size_t i = 0; i < files.size(); ++i) {
      map += (i > 0 ? ", " : "") + ("\"t" + std::to_string(i) + "\": \"" + files[i] + "\"");
    }
    folder_.write("model.safetensors.index.json", "{\"weight_map\": {" + map + "}}");
  }
  std::vector<std::string> files() const { return names_of(find_weight_files(folder_.path()).files); }
  std::vector<std::string> not_read() const { return names_of(find_weight_files(folder_.path()).not_read); }

  TemporaryFolder folder_;
};

TEST_F(WeightFilesOf, ASingleFile) {
  put({"model.safetensors", "config.json", "model.safetensors.bak", "model.bin"});
  EXPECT_THAT(files(), ElementsAre("model.safetensors"));
  EXPECT_THAT(not_read(), IsEmpty());
}

TEST_F(WeightFilesOf, AdaptersAndOtherFilesBesideTheModelAreNotItsWeights) {
  put({"model.safetensors", "adapters.safetensors", "adapter_model.safetensors", "consolidated.safetensors"});
  EXPECT_THAT(files(), ElementsAre("model.safetensors"));
  EXPECT_THAT(not_read(), ElementsAre("adapter_model.safetensors", "adapters.safetensors", "consolidated.safetensors"));
}

TEST_F(WeightFilesOf, TheFilesThatTheIndexNames) {
  put({"a.safetensors", "b.safetensors", "model.safetensors"});
  put_index({"b.safetensors", "a.safetensors", "b.safetensors"});
  EXPECT_THAT(files(), ElementsAre("a.safetensors", "b.safetensors"));
  EXPECT_THAT(not_read(), ElementsAre("model.safetensors"));
  EXPECT_EQ(
      find_weight_files(folder_.path()).index,
      (std::map<std::string, std::string>{{"t0", "b.safetensors"}, {"t1", "a.safetensors"}, {"t2", "b.safetensors"}}));
}

// mlx-lm and others leave the index of the source beside the file that they wrote.
TEST_F(WeightFilesOf, AStaleIndexDoesNotCountBesideCompleteWeights) {
  put({"model.safetensors"});
  put_index({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"});
  EXPECT_THAT(files(), ElementsAre("model.safetensors"));
  EXPECT_THAT(find_weight_files(folder_.path()).index, IsEmpty());
  put({"model-00001-of-00002.safetensors"});  // left over
  EXPECT_THAT(files(), ElementsAre("model.safetensors"));
  EXPECT_THAT(not_read(), ElementsAre("model-00001-of-00002.safetensors"));
}

TEST_F(WeightFilesOf, AStaleIndexDoesNotCountBesideCompleteShards) {
  put({"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"});
  put_index({"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"});
  EXPECT_THAT(files(), ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
}

TEST_F(WeightFilesOf, MissingShardsAreNamed) {
  put({"model-00002-of-00003.safetensors"});
  EXPECT_ERROR(files(), ErrorKind::not_found,
               AllOf(HasSubstr(folder_.path().string()), HasSubstr("model-00001-of-00003.safetensors"),
                     HasSubstr("model-00003-of-00003.safetensors"), Not(HasSubstr("model-00002-of-00003"))));
  put_index(
      {"model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors"});
  EXPECT_ERROR(files(), ErrorKind::not_found,
               AllOf(HasSubstr("2 of"), HasSubstr("model.safetensors.index.json"), HasSubstr("stale"),
                     HasSubstr("model-00001-of-00003.safetensors"), HasSubstr("model-00003-of-00003.safetensors"),
                     Not(HasSubstr("model-00002-of-00003"))));
}

TEST_F(WeightFilesOf, ManyMissingShardsAreCountedAndSomeNamed) {
  put({"model-00001-of-00900.safetensors"});
  EXPECT_ERROR(files(), ErrorKind::not_found,
               AllOf(HasSubstr("899 of"), HasSubstr("model-00002-of-00900.safetensors"), HasSubstr("…"),
                     Not(HasSubstr("model-00099-of"))));
}

TEST_F(WeightFilesOf, AMissingFileOfAnIndexIsNamedThoughAnotherIsThere) {
  put({"a.safetensors"});
  put_index({"a.safetensors", "b.safetensors"});
  EXPECT_ERROR(files(), ErrorKind::not_found, AllOf(HasSubstr("b.safetensors"), Not(HasSubstr("a.safetensors"))));
}

// Files of a stale index's set are no complete weights, whatever they are called.
TEST_F(WeightFilesOf, APartOfWhatTheIndexNamesIsNotTheModel) {
  put({"model-a.safetensors"});
  put_index({"model-a.safetensors", "model-b.safetensors"});
  EXPECT_ERROR(files(), ErrorKind::not_found, AllOf(HasSubstr("model-b.safetensors"), HasSubstr("1 of")));
}

TEST_F(WeightFilesOf, AnyNameWillDoWithoutAModelFile) {
  put({"blob-1.safetensors", "blob-2.safetensors", "adapters.safetensors"});
  EXPECT_THAT(files(), ElementsAre("blob-1.safetensors", "blob-2.safetensors"));
}

TEST_F(WeightFilesOf, NamesThatLookLikeShardsButAreNone) {
  put({"model-00000-of-00002.safetensors", "model-00003-of-00002.safetensors", "model-0001-of-0002.safetensors",
       "model-0000a-of-00002.safetensors", "-of-.safetensors", "model--0001-of-00002.safetensors"});
  EXPECT_EQ(files().size(), 5u);  // "-of-…" is not named like a model
}

TEST_F(WeightFilesOf, WhatIsThereInsteadOfWeightsIsSaid) {
  EXPECT_ERROR(files(), ErrorKind::not_found, HasSubstr("holds no .safetensors file"));
  const std::pair<const char*, const char*> kOthers[] = {{"model-Q4_K_M.gguf", "GGUF"},
                                                         {"pytorch_model.bin", "PyTorch"},
                                                         {"weights.npz", "MLX"},
                                                         {"model.safetensors.incomplete", "unfinished download"},
                                                         {"adapters.safetensors", "adapter"}};
  for (const auto& [name, what] : kOthers) {
    SCOPED_TRACE(name);
    put({name});
    EXPECT_ERROR(files(), ErrorKind::not_found, AllOf(HasSubstr(name), HasSubstr(what)));
    std::filesystem::remove(folder_.path() / name);
  }
}

TEST_F(WeightFilesOf, AFolderThatIsNotThereIsNamed) {
  EXPECT_ERROR(find_weight_files(folder_.path() / "nowhere"), ErrorKind::not_found, HasSubstr("nowhere"));
}

TEST_F(WeightFilesOf, AnEmptyIndexIsRefused) {
  put({"model.safetensors"});
  put_index({});
  EXPECT_ERROR(files(), ErrorKind::bad_file, AllOf(HasSubstr("index.json"), HasSubstr("'weight_map'")));
}

}  // namespace
}  // namespace glimt
