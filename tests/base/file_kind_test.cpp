#include "base/file_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {
namespace {

using testing::HasSubstr;

TEST(ForeignKind, IsToldByTheFirstBytes) {
  using namespace std::string_view_literals;
  const std::pair<std::string_view, const char*> kCases[] = {
      {""sv, "empty (0 bytes"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5\n"sv, "git lfs pull"},
      {"GGUF\3\0\0\0\0\0\0\0"sv, "GGUF"},
      {"PK\3\4rest"sv, "zip"},
      {"\x80\2}q"sv, "pickle"},
      {"\x93NUMPY\1\0"sv, "NumPy"},
      {"\x89HDF\r\n"sv, "HDF5"},
      {"\x1f\x8b\x08"sv, "gzip"},
      {"\x28\xb5\x2f\xfd\0"sv, "zstd"},
      {"Entry not found"sv, "server's answer"},
      {"\n <!DOCTYPE html><html>"sv, "web page"},
      {"<HTML lang=\"en\">"sv, "web page"}};
  for (const auto& [content, kind] : kCases) {
    const std::optional<std::string> got = foreign_kind(content);
    ASSERT_TRUE(got.has_value()) << kind;
    EXPECT_THAT(*got, HasSubstr(kind));
  }
}

TEST(ForeignKind, OfOtherContentIsUnknown) {
  for (const std::string_view content : {"{}", " ", "[1]", "GGU", "version 2", "<htm", "\x1f", "<p>"}) {
    EXPECT_EQ(foreign_kind(content), std::nullopt) << content;
  }
}

}  // namespace
}  // namespace glimt
