#include "base/huge_pages.h"

#include "base/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "base/temporary_folder.h"
#include "base/throws.h"

namespace glimt {
namespace {

// A file of random words.
std::string random_content(std::size_t bytes) {
  std::string content(bytes, '\0');
  std::mt19937_64 random(bytes);
  for (std::size_t i = 0; i + sizeof(std::uint64_t) <= bytes; i += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(content.data() + i, &word, sizeof word);
  }
  return content;
}

bool system_allows() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  return std::getline(file, line) && line.find("[never]") == std::string::npos;
}

// Whether the address is in memory that belongs to no file.
bool is_anonymous(const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0, to = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &from, &to) != 2) continue;
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    if (at >= from && at < to) return line.find('/') == std::string::npos;
  }
  return false;
}

TEST(ReserveAligned, GivesRoomAtAMultipleOfAHugePage) {
  for (const std::size_t bytes : {std::size_t{1}, kHugePage, kHugePage + 1, 5 * kHugePage}) {
    std::byte* room = reserve_aligned(bytes);
    ASSERT_NE(room, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(room) % kHugePage, 0u);
    EXPECT_EQ(::munmap(room, bytes), 0);
  }
}

TEST(HugePages, HoldWhatTheFileHolds) {
  const TemporaryFolder folder;
  const std::string large = random_content(40 * kHugePage + 12345), small = random_content(10000);
  const auto first = std::make_shared<const MappedFile>(folder.write("large", large));
  const auto second = std::make_shared<const MappedFile>(folder.write("small", small));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first->data()) % kHugePage, 0u);
  HugePages pages({first, second});
  pages.wait();
  EXPECT_EQ(std::memcmp(first->data(), large.data(), large.size()), 0);
  EXPECT_EQ(std::memcmp(second->data(), small.data(), small.size()), 0);
#ifdef __linux__
  if (!system_allows() || available_memory() < large.size() + HugePages::kReserve + (std::size_t{256} << 20)) {
    GTEST_SKIP() << "no huge pages or too little memory here";
  }
  EXPECT_EQ(pages.moved_bytes(), 40 * kHugePage);
  EXPECT_TRUE(is_anonymous(first->data()));
  EXPECT_TRUE(is_anonymous(first->data() + 40 * kHugePage - 1));
  EXPECT_FALSE(is_anonymous(first->data() + 40 * kHugePage)) << "not a whole page";
  EXPECT_FALSE(is_anonymous(second->data()));
#endif
}

TEST(HugePages, ReadersSeeTheSameMeanwhile) {
  const TemporaryFolder folder;
  const std::string content = random_content(64 * kHugePage);
  const auto file = std::make_shared<const MappedFile>(folder.write("weights", content));
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0}, wrong{0};
  std::thread reader([&] {
    while (!stop.load()) {
      if (std::memcmp(file->data(), content.data(), content.size()) != 0) ++wrong;
      ++rounds;
    }
  });
  {
    HugePages pages({file});
    pages.wait();
  }
  while (rounds.load() < 2) std::this_thread::yield();
  stop.store(true);
  reader.join();
  EXPECT_EQ(wrong.load(), 0);
}

#ifdef __linux__
TEST(HugePages, LeaveWhatIsOnTheDiskUntilItWasRead) {
  const TemporaryFolder folder;
  const std::string content = random_content(8 * kHugePage);
  const std::filesystem::path path = folder.write("weights", content);
  const int fd = ::open(path.c_str(), O_RDWR);
  ASSERT_EQ(::fsync(fd), 0);
  ASSERT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
  ::close(fd);
  const auto file = std::make_shared<const MappedFile>(path);
  std::vector<unsigned char> resident(content.size() / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)));
  ASSERT_EQ(::mincore(const_cast<std::byte*>(file->data()), content.size(), resident.data()), 0);
  if (std::count_if(resident.begin(), resident.end(), [](unsigned char p) { return (p & 1) != 0; }) != 0) {
    GTEST_SKIP() << "this system keeps the file in memory";
  }
  if (!system_allows() || available_memory() < HugePages::kReserve + (std::size_t{256} << 20)) GTEST_SKIP();
  HugePages pages({file});
  pages.wait();
  EXPECT_EQ(pages.moved_bytes(), 0u);
  EXPECT_EQ(std::memcmp(file->data(), content.data(), content.size()), 0);  // which reads it
  for (int i = 0; i < 100 && pages.moved_bytes() < content.size(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_EQ(pages.moved_bytes(), content.size());
  EXPECT_EQ(std::memcmp(file->data(), content.data(), content.size()), 0);

  HugePages again({std::make_shared<const MappedFile>(path)}, HugePages::Unread::fetch);
  again.wait();
  EXPECT_EQ(again.moved_bytes(), content.size());
}
#endif

TEST(HugePages, EndEarlyWhenTheirOwnerDoes) {
  const TemporaryFolder folder;
  const std::string content = random_content(64 * kHugePage);
  const auto file = std::make_shared<const MappedFile>(folder.write("weights", content));
  for (int i = 0; i < 20; ++i) {
    const HugePages pages({file});
    EXPECT_LE(pages.moved_bytes(), content.size());
  }
  EXPECT_EQ(std::memcmp(file->data(), content.data(), content.size()), 0);
}

#ifdef __linux__
TEST(HugePages, LeaveOtherProgramsTheirMemory) {
  if (!system_allows()) GTEST_SKIP();
  const TemporaryFolder folder;
  const std::string content = random_content(64 * kHugePage);
  const std::filesystem::path path = folder.write("weights", content);
  // Bytes moved when the system has `at_start` left and, from the given question on, `later`.
  const auto moved = [&](std::size_t at_start, int question, std::size_t later) {
    int asked = 0;
    HugePages pages({std::make_shared<const MappedFile>(path)}, HugePages::Unread::fetch,
                    [&] { return ++asked < question ? at_start : later; });
    pages.wait();
    return pages.moved_bytes();
  };
  constexpr std::size_t kPlenty = std::size_t{1} << 40;
  EXPECT_EQ(moved(kPlenty, 1000, kPlenty), content.size());
  EXPECT_EQ(moved(content.size() + HugePages::kReserve - 1, 1000, kPlenty), 0u) << "too little to begin";
  const std::size_t half = moved(kPlenty, 4, HugePages::kReserve / 2);  // one question at the start, one for each piece
  EXPECT_GT(half, 0u) << "another program took the rest meanwhile";
  EXPECT_LT(half, content.size());
}
#endif

TEST(HugePages, AreNotNeededForNothing) {
  HugePages pages({});
  pages.wait();
  EXPECT_EQ(pages.moved_bytes(), 0u);
}

}  // namespace
}  // namespace glimt
