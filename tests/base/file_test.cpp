#include "base/file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/needs_proc.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

namespace glimt {
namespace {

std::optional<std::vector<std::string>> g_disk_calls;  // what is asked of the disk while a test looks

}  // namespace
}  // namespace glimt

// These stand before the C library's, for the whole test program.
extern "C" int fsync(int fd) {
  if (glimt::g_disk_calls) {
    struct stat info {};
    ::fstat(fd, &info);
    glimt::g_disk_calls->emplace_back(S_ISDIR(info.st_mode) ? "fsync folder" : "fsync file");
  }
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int rename(const char* from, const char* to) noexcept {
  if (glimt::g_disk_calls) glimt::g_disk_calls->emplace_back("rename");
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

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

TEST(MappedFile, WhatIsExpectedOrDroppedReadsTheSame) {
  const TemporaryFolder folder;
  std::string content(100'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>(i * 31 >> 5);
  const MappedFile file(folder.write("file", content));
  for (const auto& [offset, bytes] : {std::pair<std::size_t, std::size_t>{0, 100'000},
                                      {1, 1},
                                      {4095, 2},
                                      {5000, 50'000},
                                      {99'999, 1'000'000},
                                      {100'000, 1},
                                      {1'000'000, SIZE_MAX}}) {
    file.expect(offset, bytes);
    EXPECT_EQ(text_of(file), content);
    file.drop(offset, bytes);
    EXPECT_EQ(text_of(file), content);
  }
  MappedFile(folder.write("empty", "")).drop(0, 1);
}

TEST(MappedFile, DroppedPagesAreNoLongerMapped) {
  NEEDS_PROC();
  const TemporaryFolder folder;
  constexpr std::size_t kSize = std::size_t{8} << 20;
  const MappedFile file(folder.write("file", std::string(kSize, 'x')));
  const auto resident = [&] {  // "Rss:" of the map
    std::ifstream maps("/proc/self/smaps");
    const std::string begin = fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(file.data()));
    std::size_t kilobytes = 0;
    for (std::string line; std::getline(maps, line);) {
      if (!line.starts_with(begin)) continue;
      while (std::getline(maps, line) && std::sscanf(line.c_str(), "Rss: %zu", &kilobytes) != 1) continue;
      break;
    }
    return kilobytes << 10;
  };
  EXPECT_EQ(text_of(file).find('y'), std::string_view::npos);
  EXPECT_GE(resident(), kSize / 2);
  file.drop(0, kSize);
  EXPECT_EQ(resident(), 0u);
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

// The umask is of the whole process: tests run one after the other.
class Umask {
 public:
  explicit Umask(mode_t mask) : before_(::umask(mask)) {}
  ~Umask() { ::umask(before_); }
  Umask(const Umask&) = delete;
  Umask& operator=(const Umask&) = delete;

 private:
  mode_t before_;
};

mode_t mode_of(const std::filesystem::path& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

TEST(WriteFileAtomically, TheUmaskSaysWhoMayReadANewFile) {
  const TemporaryFolder folder;
  const std::array<mode_t, 3> masks{0077, 0022, 0002}, modes{0600, 0644, 0664};
  for (std::size_t i = 0; i < masks.size(); ++i) {
    const Umask umask(masks[i]);
    const auto path = folder.path() / std::to_string(masks[i]);
    write_file_atomically(path, "x");
    EXPECT_EQ(mode_of(path), modes[i]) << std::oct << "umask " << masks[i];
  }
}

TEST(WriteFileAtomically, AReplacedFileKeepsItsPermissions) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  for (const mode_t mode : {0600, 0640, 0666, 0755}) {
    ASSERT_EQ(::chmod(path.c_str(), mode), 0);
    const Umask umask(0027);
    write_file_atomically(path, "new");
    EXPECT_EQ(mode_of(path), mode) << std::oct << mode;
  }
}

TEST(WriteFileAtomically, WhatIsTheOwnersAloneNobodyElseReads) {
  const TemporaryFolder folder;
  const Umask umask(0);
  const auto path = folder.path() / "conversation";
  write_file_atomically(path, "x", FileAccess::owner_only);
  EXPECT_EQ(mode_of(path), 0600U);
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);  // as an earlier version wrote it
  write_file_atomically(path, "x", FileAccess::owner_only);
  EXPECT_EQ(mode_of(path), 0600U);
}

TEST(WriteFileAtomically, FollowsALinkAndRefusesWhatIsNoFile) {
  const TemporaryFolder folder;
  folder.write("real", "old");
  std::filesystem::create_symlink("real", folder.path() / "link");
  write_file_atomically(folder.path() / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path() / "link"));
  EXPECT_EQ(read_file(folder.path() / "real"), "new");

  const auto fifo = folder.path() / "fifo";  // root could replace /dev/null in the same way
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_ERROR(write_file_atomically(fifo, "x"), ErrorKind::bad_file, HasSubstr("not a regular file"));
  EXPECT_TRUE(std::filesystem::is_fifo(fifo));
}

TEST(AtomicFile, IsThereAfterTheCommitAndNotBefore) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  AtomicFile file(path);
  file.append("one ");
  const std::array<std::byte, 3> bytes{std::byte{'t'}, std::byte{0}, std::byte{'o'}};
  file.append(bytes);
  EXPECT_EQ(read_file(path), "old");
  file.commit();
  EXPECT_EQ(read_file(path), std::string("one t\0o", 7));
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"file"});
}

TEST(AtomicFile, LeavesNothingWithoutACommit) {
  const TemporaryFolder folder;
  {
    AtomicFile file(folder.path() / "file");
    file.append("half");
    EXPECT_EQ(names_in(folder.path()).size(), 1U) << "it lies beside its place, so that the rename is one step";
  }
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{});
}

TEST(AtomicFile, AWriteThatFailsIsAnErrorAndLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.write("file", "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit small{4096, before.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_ERROR(write_file_atomically(path, std::string(8192, 'x')), ErrorKind::bad_file,
               StartsWith(path.string() + ": cannot write: "));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"file"});
}

TEST(AtomicFile, SyncsTheContentBeforeTheRenameAndTheFolderAfterIt) {
  const TemporaryFolder folder;
  g_disk_calls.emplace();
  write_file_atomically(folder.path() / "file", "x");
  const std::vector<std::string> calls = *std::exchange(g_disk_calls, std::nullopt);
  EXPECT_EQ(calls, (std::vector<std::string>{"fsync file", "rename", "fsync folder"}));
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
