#include "hub/part_file.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <thread>

namespace glimt {
namespace {

namespace fs = std::filesystem;
using testing::Pair;

constexpr std::uint64_t kPart = 1000;

std::string some_content(std::size_t size) {
  std::mt19937 random(7);
  std::string content(size, '\0');
  std::generate(content.begin(), content.end(), [&] { return static_cast<char>(random()); });
  return content;
}

class PartFiles : public testing::Test {
 protected:
  FileRecord record() const { return {"model.safetensors", content_.size(), sha256_of(content_), ""}; }
  PartFile open() const { return {folder_.path(), record(), kPart}; }

  // Writes `count` bytes at the first that is missing in a part.
  bool write(PartFile& file, std::size_t part, std::size_t count = kPart) const {
    const auto [begin, end] = file.missing(part);
    const std::string_view bytes =
        std::string_view(content_).substr(begin, std::min<std::uint64_t>(count, end - begin));
    return file.write(part, file.round(), std::as_bytes(std::span(bytes)));
  }

  TemporaryFolder folder_;
  std::string content_ = some_content(3500);
};

TEST_F(PartFiles, PartsArriveInAnyOrder) {
  PartFile file = open();
  ASSERT_EQ(file.parts(), 4U);
  EXPECT_THAT(file.missing(3), Pair(3000, 3500));
  for (const std::size_t part : {2, 0, 3, 1}) {
    EXPECT_EQ(file.finish(), "") << "it is not whole yet";
    EXPECT_TRUE(write(file, part));
  }
  EXPECT_FALSE(file.is_done());
  EXPECT_EQ(file.finish(), "");
  EXPECT_TRUE(file.is_done());
  EXPECT_EQ(read_file(file.path()), content_);
  EXPECT_EQ(file.present(), content_.size());
  EXPECT_TRUE(open().is_done());
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(PartFiles, GoesOnWithWhatIsThere) {
  {
    PartFile file = open();
    write(file, 1, 300);
    write(file, 3);
  }
  PartFile file = open();
  EXPECT_EQ(file.present(), 800U);
  EXPECT_THAT(file.missing(1), Pair(1300, 2000));
  EXPECT_THAT(file.missing(3), Pair(3500, 3500));
  for (const std::size_t part : {0, 1, 2}) write(file, part);
  EXPECT_EQ(file.finish(), "");
  EXPECT_EQ(read_file(file.path()), content_);
}

TEST_F(PartFiles, ProgressOfWhatIsNotInTheFileDoesNotCount) {
  {
    PartFile file = open();
    for (std::size_t part = 0; part < 4; ++part) write(file, part);
  }
  fs::resize_file(folder_.path() / (record().sha256 + ".part"), 1200);
  EXPECT_EQ(open().present(), 1200U);
  fs::resize_file(folder_.path() / (record().sha256 + ".progress"), 8);
  EXPECT_EQ(open().present(), 0U);
}

TEST_F(PartFiles, AWrongHashBeginsAnew) {
  PartFile file = open();
  const std::string right = content_;
  content_[1234] ^= 1;
  for (std::size_t part = 0; part < 4; ++part) write(file, part);
  EXPECT_EQ(file.finish(), sha256_of(content_));
  EXPECT_EQ(file.present(), 0U);
  content_ = right;
  for (std::size_t part = 0; part < 4; ++part) write(file, part);
  EXPECT_EQ(file.finish(), "");
}

TEST_F(PartFiles, BytesOfAnEarlierRoundAreRefused) {
  PartFile file = open();
  const std::uint64_t round = file.round();
  write(file, 1);
  file.restart_whole(round);
  file.restart_whole(round);
  EXPECT_EQ(file.round(), round + 1) << "the second was late";
  EXPECT_FALSE(file.write(1, round, std::as_bytes(std::span(content_))));
  EXPECT_EQ(file.parts(), 1U);
  EXPECT_THAT(file.missing(0), Pair(0, 3500));
  EXPECT_TRUE(write(file, 0, 2000));
  EXPECT_TRUE(write(file, 0, 2000));
  EXPECT_EQ(file.finish(), "");
}

TEST_F(PartFiles, ManyThreadsWriteOne) {
  content_ = some_content(1 << 20);
  PartFile file = open();
  std::vector<std::thread> threads;
  for (std::size_t first = 0; first < 4; ++first) {
    threads.emplace_back([&, first] {
      for (std::size_t part = first; part < file.parts(); part += 4) {
        while (file.missing(part).first < file.missing(part).second) write(file, part, 130);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(file.finish(), "");
  EXPECT_EQ(read_file(file.path()), content_);
}

// All threads of a download come by when a part is whole: it must not cost them the time of the hash.
TEST_F(PartFiles, APartThatEndsDoesNotWaitForTheHash) {
  constexpr std::uint64_t kLarge = std::uint64_t{1} << 20;
  content_ = some_content(64 * kLarge);
  bool waited = true;
  for (int attempt = 0; waited && attempt < 5; ++attempt) {  // this thread may have to wait for a processor
    const TemporaryFolder folder;
    PartFile file(folder.path(), record(), kLarge);
    for (std::size_t part = 1; part + 1 < file.parts(); ++part) ASSERT_TRUE(write(file, part, kLarge));
    std::atomic<bool> hashed = false;
    std::thread first([&] {
      write(file, 0, kLarge);
      hashed = true;
    });
    while (file.missing(0).first == 0) std::this_thread::yield();
    EXPECT_EQ(file.finish(), "") << "the last part is missing";
    waited = hashed;
    first.join();
  }
  EXPECT_FALSE(waited);
}

TEST_F(PartFiles, SmallFilesHaveGitsIdAndMayBeEmpty) {
  PartFile empty(folder_.path(), {"a.json", 0, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"}, kPart);
  EXPECT_EQ(empty.finish(), "");
  EXPECT_TRUE(empty.is_done());
}

TEST_F(PartFiles, AFolderThatIsGoneIsAnError) {
  EXPECT_ERROR(PartFile(folder_.path() / "gone", record(), kPart), ErrorKind::bad_file,
               testing::HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace glimt
