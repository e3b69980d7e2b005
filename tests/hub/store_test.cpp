#include "hub/store.h"

#include "base/error.h"
#include "base/file.h"
#include "base/machine.h"
#include "hub/scoped_variable.h"

#include <gmock/gmock.h>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class Store : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            (std::string("store_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(root_);
    for (const char* place : {"first", "second"}) fs::create_directories(root_ / place);
    places_ = {root_ / "first", root_ / "second", root_ / "absent"};
  }
  void TearDown() override { fs::remove_all(root_); }

  fs::path make_model(const fs::path& relative) {
    fs::create_directories(root_ / relative);
    write_file_atomically(root_ / relative / "config.json", "{}");
    return root_ / relative;
  }
  std::string message(const std::string& name, ErrorKind kind = ErrorKind::not_found) {
    try {
      ADD_FAILURE() << "found " << resolve_model(name, places_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      return error.what();
    }
    return "";
  }

  fs::path root_;
  std::vector<fs::path> places_;
};

TEST_F(Store, AFolderIsAModel) {
  const fs::path folder = make_model("anywhere/here");
  EXPECT_EQ(resolve_model(folder.string(), places_), folder);
  EXPECT_EQ(resolve_model(folder.string() + "/", places_), folder.string() + "/");
}

TEST_F(Store, NamesAreLookedUpInOrder) {
  const fs::path second = make_model("second/demo");
  EXPECT_EQ(resolve_model("demo", places_), second);
  const fs::path first = make_model("first/demo");
  EXPECT_EQ(resolve_model("demo", places_), first);
  const fs::path owned = make_model("second/zai-org/GLM-4.7-Flash");
  EXPECT_EQ(resolve_model("zai-org/GLM-4.7-Flash", places_), owned);
}

TEST_F(Store, ListsWhatIsThere) {
  make_model("first/b");
  make_model("second/b");
  make_model("second/a");
  make_model("second/owner/model");
  fs::create_directories(root_ / "first/not_a_model");
  std::vector<std::string> names;
  for (const StoredModel& model : list_models(places_)) names.push_back(model.name);
  EXPECT_THAT(names, testing::ElementsAre("a", "b", "owner/model"));
  EXPECT_EQ(list_models(places_)[1].folder, root_ / "first/b");
}

TEST_F(Store, SaysWhereItLookedAndWhatIsThere) {
  make_model("second/demo");
  EXPECT_THAT(message("nope"), AllOf(HasSubstr("nope: "), HasSubstr((root_ / "first").string()),
                                     HasSubstr((root_ / "second").string()), HasSubstr("found there: demo")));
  EXPECT_EQ(message("nope").find('\n'), std::string::npos);
  places_ = {};
  EXPECT_THAT(message("nope"), HasSubstr("found there: none"));
}

TEST_F(Store, SaysWhatIsWrongWithThePath) {
  EXPECT_THAT(message((root_ / "first").string()), HasSubstr("holds no config.json"));
  write_file_atomically(root_ / "model.gguf", "x");
  EXPECT_THAT(message((root_ / "model.gguf").string()), HasSubstr("this is a file"));
  write_file_atomically(root_ / "first" / "weights.gguf", "GGUF and so on");
  EXPECT_THAT(message((root_ / "first").string()), HasSubstr("weights.gguf is GGUF"));
  EXPECT_THAT(message((root_ / "first" / "weights.gguf").string()), HasSubstr("this file is GGUF"));
  write_file_atomically(root_ / "second" / "renamed", "GGUF and so on");
  EXPECT_THAT(message((root_ / "second").string()), HasSubstr("renamed is GGUF"));
  message("", ErrorKind::invalid_request);
}

TEST_F(Store, NamesCannotLeaveTheirPlace) {
  make_model("outside");
  make_model("first/.hidden");
  make_model("first/a/b/c");
  make_model("first/a/b");
  for (const char* name : {"../outside", "demo/../../outside", "a/../../outside", "./../outside", ".hidden", "a/b/c",
                           "a//b", "/a/b", "a/b/", "a\\b", "a b", "..", "."}) {
    message(name);
  }
  message(std::string("a/b\0", 4));
  message(std::string(5000, 'a'));
  EXPECT_EQ(resolve_model("a/b", places_), root_ / "first/a/b");
}

TEST_F(Store, PlacesFollowTheEnvironment) {
  const ScopedVariable home("HOME", "/home/someone"), own("GLIMT_HOME", nullptr);
  {
    const ScopedVariable models("GLIMT_MODELS", "/data/models");
    EXPECT_EQ(model_places().at(0), "/data/models");
  }
  const ScopedVariable models("GLIMT_MODELS", "");
  {
    const ScopedVariable data("XDG_DATA_HOME", "/xdg");
    EXPECT_EQ(model_places().at(0), "/xdg/glimt/models");
    const ScopedVariable glimt_home("GLIMT_HOME", "/glimt");
    EXPECT_EQ(model_places().at(0), "/glimt/models");
    EXPECT_EQ(store_folder(), "/glimt/models");
  }
  {
    const ScopedVariable data("XDG_DATA_HOME", "relative");
    EXPECT_EQ(model_places().at(0), "/home/someone/.local/share/glimt/models");
  }
  const ScopedVariable data("XDG_DATA_HOME", nullptr);
  EXPECT_EQ(model_places().at(0), "/home/someone/.local/share/glimt/models");
  const ScopedVariable nobody("HOME", nullptr);
  EXPECT_THROW(store_folder(), Error);
}

TEST_F(Store, BehindTheStoreComeTheProgramsThenTheForeign) {
  const fs::path parent = executable_folder().parent_path();
  const ScopedVariable own("GLIMT_MODELS", "/own"), cache("HF_HUB_CACHE", "/cache"), ollama("OLLAMA_MODELS", "/ollama");
  EXPECT_THAT(model_places(),
              testing::ElementsAre("/own", parent / "models", parent / "share/glimt/models", "/cache", "/ollama"));
}

}  // namespace
}  // namespace glimt
