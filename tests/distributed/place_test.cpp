#include "distributed/place.h"

#include "base/file.h"
#include "base/temporary_folder.h"
#include "base/throws.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

std::filesystem::path host_file(const TemporaryFolder& folder, const std::string& text) {
  const std::filesystem::path file = folder.path() / "hosts.json";
  write_file_atomically(file, text);
  return file;
}

TEST(Place, ReadsTheFormOfMlxsRing) {
  const TemporaryFolder folder;
  const auto file = host_file(folder, R"([["10.0.0.1:5000", "10.0.0.1:5001"], ["[::1]:6000"], ["node-3:7000"]])");
  const Place place = read_place(file, "1");
  EXPECT_EQ(place.rank, 1);
  ASSERT_EQ(place.size(), 3);
  EXPECT_EQ(place.addresses[0].text(), "10.0.0.1:5000");
  EXPECT_EQ(place.addresses[1].host, "::1");
  EXPECT_EQ(place.addresses[2].port, "7000");
  EXPECT_EQ(place.name(2), "rank 2 (node-3:7000)");
}

TEST(Place, RefusesWhatIsNoHostFile) {
  const TemporaryFolder folder;
  for (const char* text : {"{}", "[]", "[[]]", "[\"a:1\"]", "[[1]]", "[[\"a\"]]", "[[\"a:\"]]", "[[\":1\"]]",
                           "[[\"a:0\"]]", "[[\"a:65536\"]]", "[[\"a:1x\"]]", "[["}) {
    EXPECT_ERROR((read_place(host_file(folder, text), "0")), ErrorKind::bad_file, testing::HasSubstr("hosts.json"));
  }
}

TEST(Place, RefusesARankThatIsNotInTheFile) {
  const TemporaryFolder folder;
  const auto file = host_file(folder, R"([["a:1"], ["b:1"]])");
  for (const char* rank : {"2", "-1", "", "one", "1 "}) {
    EXPECT_ERROR((read_place(file, rank)), ErrorKind::invalid_request, testing::HasSubstr("MLX_RANK: 0 … 1 is wanted"));
  }
}

}  // namespace
}  // namespace glimt
