#include "base/file.h"

#include <sys/stat.h>

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "base/temporary_folder.h"
#include "base/throws.h"

namespace glimt {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::vector<std::string> names_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  return names;
}

std::string_view text_of(const MappedFile& file) { return {reinterpret_cast<const char*>(file.data()), file.size()}; }

TEST(ReadFile, GivesEveryByte) {
  const TemporaryFolder folder;
  std::string all_bytes;
  for (int i = 0; i < 256; ++i) all_bytes += static_cast<char>(i);
  EXPECT_EQ(read_file(folder.write("all", all_bytes)), all_bytes);
  EXPECT_EQ(read_file(folder.write("empty", "")), "");
}

TEST(ReadFile, KeepsToItsLimit) {
  const TemporaryFolder folder;
  const auto path = folder.write("ten", "0123456789");
  EXPECT_EQ(read_file(path, 10), "0123456789");
  EXPECT_ERROR(read_file(path, 9), ErrorKind::bad_file,
               AllOf(StartsWith(path.string()), HasSubstr("10 bytes"), HasSubstr("at most 9")));
  // A sparse file of 1 TiB is refused by its size, before any memory is asked for.
  std::filesystem::resize_file(path, std::uintmax_t{1} << 40);
  EXPECT_ERROR(read_file(path), ErrorKind::bad_file, HasSubstr("1099511627776 bytes"));
}

// What read_file and MappedFile both refuse; each message opens with the path.
template <typename Open>
void expect_refusals(Open open) {
  const TemporaryFolder folder;
  const auto file = folder.write("file", "x");
  const auto missing = folder.path() / "missing";
  EXPECT_ERROR(open(missing), ErrorKind::not_found, StartsWith(missing.string() + ": "));
  EXPECT_ERROR(open(file / "below"), ErrorKind::not_found, HasSubstr("below"));
  EXPECT_ERROR(open(folder.path()), ErrorKind::bad_file, HasSubstr("not a regular file"));
  EXPECT_ERROR(open(folder.path() / std::string(300, 'n')), ErrorKind::bad_file, HasSubstr("cannot open"));
  EXPECT_ERROR(open("/dev/zero"), ErrorKind::bad_file, HasSubstr("not a regular file"));

  const auto fifo = folder.path() / "fifo";  // opening one for reading would wait for a writer for ever
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_ERROR(open(fifo), ErrorKind::bad_file, HasSubstr("not a regular file"));

  const auto loop = folder.path() / "loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_ERROR(open(loop), ErrorKind::bad_file, HasSubstr("cannot open"));
  std::filesystem::create_symlink(missing, folder.path() / "dangling");
  EXPECT_ERROR(open(folder.path() / "dangling"), ErrorKind::not_found, HasSubstr("dangling"));
}

TEST(ReadFile, RefusesWhatIsNoFile) {
  expect_refusals([](const std::filesystem::path& path) { return read_file(path); });
}

TEST(MappedFile, RefusesWhatIsNoFile) {
  expect_refusals([](const std::filesystem::path& path) { return MappedFile(path).size(); });
}

TEST(ReadFile, FollowsLinksToFiles) {
  const TemporaryFolder folder;
  folder.write("blob", "content");
  std::filesystem::create_symlink("blob", folder.path() / "name");
  EXPECT_EQ(read_file(folder.path() / "name"), "content");
}

TEST(MappedFile, ShowsTheContentAndMoves) {
  const TemporaryFolder folder;
  const std::string content(10000, 'm');
  MappedFile first(folder.write("file", content));
  const std::byte* data = first.data();
  MappedFile second(std::move(first));
  EXPECT_EQ(second.data(), data);
  EXPECT_EQ(text_of(second), content);
  EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move): what a moved-from map is, is promised
  EXPECT_EQ(first.size(), 0U);
}

TEST(MappedFile, EmptyFileIsEmpty) {
  const TemporaryFolder folder;
  const MappedFile file(folder.write("empty", ""));
  EXPECT_EQ(file.size(), 0U);
  EXPECT_EQ(file.data(), nullptr);
}

TEST(MappedFile, OutlivesTheName) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "still here");
  const MappedFile file(path);
  std::filesystem::remove(path);
  EXPECT_EQ(text_of(file), "still here");
}

TEST(WriteFileAtomically, ReplacesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file_atomically(path, "old");
  write_file_atomically(path, std::string("n\0ew", 4));
  EXPECT_EQ(read_file(path), std::string("n\0ew", 4));
  write_file_atomically(path, "");
  EXPECT_EQ(read_file(path), "");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"file"});
}

TEST(WriteFileAtomically, FailureLeavesWhatWasThere) {
  const TemporaryFolder folder;
  folder.write("folder/kept", "kept");
  const auto taken = folder.path() / "folder";  // a folder that is not empty cannot be replaced by a file
  EXPECT_ERROR(write_file_atomically(taken, "x"), ErrorKind::bad_file, StartsWith(taken.string() + ": "));
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"folder"});
  EXPECT_EQ(read_file(taken / "kept"), "kept");
  const auto nowhere = folder.path() / "no" / "such" / "folder";
  EXPECT_ERROR(write_file_atomically(nowhere, "x"), ErrorKind::bad_file, StartsWith(nowhere.string() + ": "));
}

TEST(WriteFileAtomically, AReaderNeverSeesHalf) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  const std::string a(200000, 'a');
  const std::string b(100000, 'b');
  write_file_atomically(path, a);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 20; ++i) write_file_atomically(path, i % 2 == 0 ? b : a);
    done = true;
  });
  int reads = 0;
  while (!done || reads == 0) {
    const std::string seen = read_file(path);
    EXPECT_TRUE(seen == a || seen == b) << seen.size();
    ++reads;
  }
  writer.join();
}

}  // namespace
}  // namespace glimt
