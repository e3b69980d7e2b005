#include "hub/store_changes.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"
#include "hub/digest.h"
#include "hub/workspace.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class StoreChanges : public testing::Test {
 protected:
  // A model as a pull leaves it, with a file that is large enough to be shared.
  fs::path make(const std::string& name) {
    const std::string weights(3 << 20, 'w');
    const fs::path folder = folder_.write(name + "/config.json", "{}").parent_path();
    folder_.write(name + "/model.safetensors", weights);
    write_manifest(folder, {.source = "https://hub",
                            .repository = name,
                            .revision = "main",
                            .commit = "c0ffee",
                            .files = {{"config.json", 2, sha256_of("{}"), ""},
                                      {"model.safetensors", weights.size(), sha256_of(weights), ""}}});
    return folder;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const StoredModel& model : list_models({store()})) all.push_back(model.name);
    return all;
  }
  const fs::path& store() const { return folder_.path(); }
  void copy(const char* from, const char* to) const { copy_model(from, to, store(), {store()}); }
  std::uint64_t remove(const char* name) const { return remove_model(name, store(), {store()}); }

  TemporaryFolder folder_;
};

TEST_F(StoreChanges, HashesAreThoseOfTheTools) {
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Digest git(DigestKind::git_blob, 6);
  git.add("hello\n");
  EXPECT_EQ(git.hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST_F(StoreChanges, RemovesAModelAndItsOwnersFolder) {
  make("org/a");
  make("org/b");
  EXPECT_EQ(remove("org/a"), (3U << 20) + 2 + fs::file_size(store() / "org/b" / kManifestFile));
  EXPECT_THAT(names(), ElementsAre("org/b"));
  remove("org/b");
  EXPECT_FALSE(fs::exists(store() / "org"));
  EXPECT_ERROR(remove("org/b"), ErrorKind::not_found, HasSubstr("org/b"));
  EXPECT_ERROR(remove("../b"), ErrorKind::invalid_request, HasSubstr("a name is wanted"));
}

TEST_F(StoreChanges, OthersModelsAreNotRemoved) {
  const TemporaryFolder other;
  other.write("shipped/config.json", "{}");
  EXPECT_ERROR(remove_model("shipped", store(), {store(), other.path()}), ErrorKind::invalid_request,
               HasSubstr("not glimt's to remove"));
}

TEST_F(StoreChanges, ACopyIsAModelThatSharesItsLargeFiles) {
  const fs::path from = make("org/a");
  copy("org/a", "mine:1");
  EXPECT_THAT(names(), ElementsAre("mine:1", "org/a"));
  const fs::path to = resolve_model("mine:1", {store()});
  EXPECT_THAT(verify_model(to), IsEmpty());
  EXPECT_EQ(read_manifest(to)->commit, "c0ffee");
  EXPECT_FALSE(fs::equivalent(from / "config.json", to / "config.json"));
  EXPECT_ERROR(copy("org/a", "mine:1"), ErrorKind::invalid_request, HasSubstr("is there already"));
  EXPECT_ERROR(copy("org/a", "/tmp/x"), ErrorKind::invalid_request, HasSubstr("a name is wanted"));
  EXPECT_ERROR(copy("org/x", "y"), ErrorKind::not_found, HasSubstr("org/x"));
  remove("org/a");
  EXPECT_THAT(verify_model(to), IsEmpty());
  EXPECT_THAT(list_unfinished(store()), IsEmpty());
}

TEST_F(StoreChanges, AFolderThatThisProcessHasLeftIsTakenOver) {
  fs::path left;
  {
    const Workspace first = Workspace::take_over_or_make(store(), "pull", "org%a");
    const Workspace second = Workspace::take_over_or_make(store(), "pull", "org%a");
    EXPECT_NE(first.path(), second.path()) << "both are at work";
    for (const Unfinished& one : list_unfinished(store())) EXPECT_FALSE(one.is_dead);
    folder_.write((first.path() / "part").lexically_relative(store()).string(), "bytes");
    Workspace done = second;
    done.discard();
    left = first.path();
  }
  EXPECT_TRUE(list_unfinished(store()).at(0).is_dead);
  const Workspace third = Workspace::take_over_or_make(store(), "pull", "org%a");
  EXPECT_NE(third.path(), left);
  EXPECT_TRUE(fs::exists(third.path() / "part"));
  EXPECT_EQ(list_unfinished(store()).size(), 1U);
}

TEST_F(StoreChanges, VerifyNamesWhatDiffers) {
  const fs::path folder = make("a");
  EXPECT_THAT(verify_model(folder), IsEmpty());
  {
    std::fstream file(folder / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1 << 20);
    file << "x";
  }
  folder_.write("a/config.json", "{ }");
  const auto differences = verify_model(folder);
  ASSERT_EQ(differences.size(), 2U);
  EXPECT_EQ(differences[0].what, "must have 2 bytes, has 3");
  EXPECT_THAT(differences[1].what, HasSubstr("sha256 must be "));
  fs::remove(folder / "model.safetensors");
  EXPECT_EQ(verify_model(folder).at(1).what, "is missing");
  EXPECT_THAT(names(), IsEmpty()) << "it is not whole";
  fs::remove(folder / kManifestFile);
  EXPECT_ERROR(verify_model(folder), ErrorKind::not_found, HasSubstr("nothing says"));
}

TEST_F(StoreChanges, SharedFilesCountOnce) {
  const fs::path a = make("a");
  fs::create_directories(store() / "b");
  fs::create_hard_link(a / "model.safetensors", store() / "b/model.safetensors");
  Usage usage;
  EXPECT_GT(usage.add(a), 3U << 20);
  EXPECT_EQ(usage.add(store() / "b"), 0U);
}

TEST_F(StoreChanges, ManifestsAreChecked) {
  const auto refused = [&](const std::string& file, const char* why) {
    folder_.write(kManifestFile, R"({"version": 1, "source": "x", "files": [)" + file + "]}");
    EXPECT_ERROR(read_manifest(store()), ErrorKind::bad_file, HasSubstr(why));
  };
  refused(R"({"path": "../a", "size": 1, "sha256": ")" + std::string(64, 'a') + R"("})", "below the folder");
  refused(R"({"path": "/a", "size": 1, "sha256": ")" + std::string(64, 'a') + R"("})", "below the folder");
  refused(R"({"path": "a", "size": 1})", "must have a sha256");
  refused(R"({"path": "a", "size": -1, "sha256": ""})", "size");
}

// ---- workspaces ----

// Makes a workspace with a file in a process that ends without a word.
void leave_workspace(const fs::path& store) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Workspace space = Workspace::make(store, "pull", "key");
    std::ofstream(space.path() / "part") << "half";
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
}

TEST_F(StoreChanges, ADeadProcessWorkspaceIsTakenOver) {
  leave_workspace(store());
  const Workspace other = Workspace::take_over_or_make(store(), "pull", "another key");
  EXPECT_FALSE(fs::exists(other.path() / "part"));
  const Workspace first = Workspace::take_over_or_make(store(), "pull", "key");
  EXPECT_EQ(read_file(first.path() / "part"), "half");
  const Workspace second = Workspace::take_over_or_make(store(), "pull", "key");
  EXPECT_FALSE(fs::exists(second.path() / "part")) << "its owner lives";
  EXPECT_TRUE(first.keep() && second.keep());
}

TEST_F(StoreChanges, AnotherMachinesWorkspaceIsTakenWhenItIsSilent) {
  const fs::path folder = folder_.write(".unfinished/pull~key~0000000000000000~1~1.00/part", "half").parent_path();
  EXPECT_FALSE(list_unfinished(store()).at(0).is_dead);
  fs::last_write_time(folder, fs::file_time_type::clock::now() - std::chrono::minutes(2));
  EXPECT_TRUE(list_unfinished(store()).at(0).is_dead);
}

TEST_F(StoreChanges, PublishingReplacesWhatIsThere) {
  make("org/a");
  Workspace space = Workspace::make(store(), "pull", "key");
  fs::create_directories(space.made());
  write_file_atomically(space.made() / "config.json", "{\"new\": 1}");
  space.publish(store() / "org/a");
  EXPECT_EQ(read_file(store() / "org/a/config.json"), "{\"new\": 1}");
  EXPECT_FALSE(fs::exists(store() / "org/a/model.safetensors"));
  EXPECT_THAT(list_unfinished(store()), IsEmpty());
}

TEST_F(StoreChanges, WhatAKilledCopyLeftIsSwept) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Workspace space = Workspace::make(store(), "copy", "key");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  folder_.write(".removed/1/config.json", "{}");
  sweep_store(store(), "copy");
  EXPECT_THAT(list_unfinished(store()), IsEmpty());
  EXPECT_FALSE(fs::exists(store() / ".removed"));
}

TEST_F(StoreChanges, TidyingAPlaceLeavesWhatIsNotTheStores) {
  folder_.write(".removed/0123456789abcdef/half", "x");
  folder_.write(".removed/photos/one", "x");
  tidy_place(store());
  EXPECT_FALSE(fs::exists(store() / ".removed/0123456789abcdef"));
  EXPECT_TRUE(fs::exists(store() / ".removed/photos/one"));
  fs::remove_all(store() / ".removed/photos");
  tidy_place(store());
  EXPECT_FALSE(fs::exists(store() / ".removed"));
}

}  // namespace
}  // namespace glimt
