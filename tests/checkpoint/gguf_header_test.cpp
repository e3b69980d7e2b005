#include "checkpoint/gguf_header.h"

#include "base/throws.h"
#include "checkpoint/gguf_bytes.h"

namespace glimt {
namespace {

using testing::HasSubstr;

GgufHeader parse(const std::string& file) { return parse_gguf_header(std::as_bytes(std::span(file)), "x.gguf"); }

void refused(const std::string& file, const char* words, ErrorKind kind = ErrorKind::bad_file) {
  EXPECT_ERROR(parse(file), kind, testing::AllOf(testing::StartsWith("x.gguf"), HasSubstr(words)));
}

GgufBytes small() {
  return GgufBytes()
      .set("general.architecture", "test")
      .set("number", 7u)
      .set("half", 0.5f)
      .set("yes", true)
      .entry("small", 1, std::string(1, '\xfe'))
      .entry("words", 9, bytes_of(8u) + bytes_of<std::uint64_t>(2) + GgufBytes::text("a") + GgufBytes::text("bc"))
      .entry(
          "lists", 9,
          bytes_of(9u) + bytes_of<std::uint64_t>(1) + bytes_of(0u) + bytes_of<std::uint64_t>(3) + std::string(3, 'x'))
      .tensor("a", {2, 3}, GgufType::f32, std::string(24, 'a'))
      .tensor("b", {2, 64}, GgufType::q4_0, std::string(72, 'b'));
}

TEST(GgufHeader, HasMetadataAndTensors) {
  const std::string file = small().build();
  const GgufHeader header = parse(file);
  EXPECT_EQ(std::get<std::string>(header.metadata.at("general.architecture")), "test");
  EXPECT_EQ(std::get<std::uint64_t>(header.metadata.at("number")), 7u);
  EXPECT_EQ(std::get<double>(header.metadata.at("half")), 0.5);
  EXPECT_TRUE(std::get<bool>(header.metadata.at("yes")));
  EXPECT_EQ(std::get<std::int64_t>(header.metadata.at("small")), -2);
  EXPECT_EQ(std::get<GgufArray>(header.metadata.at("words")).count, 2u);
  EXPECT_EQ(std::get<GgufArray>(header.metadata.at("lists")).count, 1u);
  const GgufTensor& a = header.tensors.at("a");
  const GgufTensor& b = header.tensors.at("b");
  EXPECT_EQ(a.shape, (Shape{2, 3}));
  EXPECT_EQ(b.shape, (Shape{2, 64}));
  EXPECT_EQ(file.substr(a.offset, a.nbytes), std::string(24, 'a'));
  EXPECT_EQ(file.substr(b.offset, b.nbytes), std::string(72, 'b'));
}

TEST(GgufHeader, VersionsBut2And3AreNotRead) {
  EXPECT_NO_THROW(parse(small().build(2)));
  refused(small().build(1), "version 1", ErrorKind::unsupported);
  refused(small().build(4), "version 4", ErrorKind::unsupported);
  refused(small().build(0x03000000), "big-endian", ErrorKind::unsupported);
  refused("GGML" + small().build().substr(4), "does not begin with GGUF");
}

// Wherever it is cut, it is an error and nothing else.
TEST(GgufHeader, ATruncatedFileIsRefused) {
  const std::string file = small().build();
  for (std::size_t size = 0; size + 24 < file.size(); ++size) refused(file.substr(0, size), "");
}

TEST(GgufHeader, NumbersDoNotReachBeyondTheFile) {
  const auto huge = bytes_of<std::uint64_t>(UINT64_MAX);
  const std::string begin = "GGUF" + bytes_of(3u);
  refused(begin + huge + bytes_of<std::uint64_t>(0), "the number of tensors must be at most");
  refused(begin + bytes_of<std::uint64_t>(0) + huge, "the number of metadata entries must be at most");
  refused(begin + bytes_of<std::uint64_t>(0) + bytes_of<std::uint64_t>(1) + huge, "a metadata key");
  refused(GgufBytes().entry("k", 8, huge).build(), "metadata 'k'");
  refused(GgufBytes().entry("k", 9, bytes_of(0u) + huge).build(), "metadata 'k'");
  refused(GgufBytes().entry("k", 9, bytes_of(10u) + bytes_of(std::uint64_t{1} << 61)).build(), "metadata 'k'");
  refused(GgufBytes().entry("k", 9, bytes_of(8u) + huge).build(), "");
  refused(GgufBytes().entry("k", 13, "").build(), "type 13");
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += bytes_of(9u) + bytes_of<std::uint64_t>(1);
  refused(GgufBytes().entry("k", 9, deep).build(), "nested");
}

TEST(GgufHeader, EveryTensorIsWhereAndWhatItSays) {
  constexpr std::uint32_t kF32 = 0, kQ4 = 2;
  const auto one = [](std::vector<std::uint64_t> shape, std::uint32_t type, std::uint64_t offset, std::size_t bytes) {
    return GgufBytes().describe("t", std::move(shape), type, offset, std::string(bytes, 'x')).build();
  };
  EXPECT_NO_THROW(parse(one({2, 4}, kF32, 0, 32)));
  refused(one({2, 4}, kF32, 0, 31).substr(0, 96), "");
  refused(one({2, 5}, kF32, 0, 32), "truncated");
  refused(one({2, 4}, kF32, 32, 32), "truncated");
  refused(one({2, 4}, kF32, UINT64_MAX - 31, 32), "truncated");
  refused(one({2, 4}, kF32, 8, 64), "a multiple of 32");
  refused(one({2, 0}, kF32, 0, 32), "dimension of 0");
  refused(one({std::uint64_t{1} << 40}, kF32, 0, 32), "dimension of");
  refused(one({2147483647, 2147483647, 2147483647, 2147483647}, kF32, 0, 32), "impossible shape");
  refused(one({1, 1, 1, 1, 4}, kF32, 0, 32), "5 dimensions");
  refused(one({1, 48}, kQ4, 0, 32), "blocks of 32");
  refused(one({4}, 99, 0, 32), "type 99", ErrorKind::unsupported);
}

TEST(GgufHeader, NothingIsThereTwice) {
  refused(GgufBytes().set("k", 1u).set("k", 1u).build(), "metadata 'k' is there twice");
  const std::string data(16, 'x');
  refused(GgufBytes().tensor("t", {4}, GgufType::f32, data).tensor("t", {4}, GgufType::f32, data).build(),
          "is there twice");
  refused(GgufBytes().describe("s", {16}, 0, 0, std::string(64, 'x')).describe("t", {4}, 0, 32, "").build(),
          "lies over another tensor");
}

TEST(GgufHeader, TheAlignmentIsAPowerOfTwo) {
  for (const std::uint32_t bad : {0u, 3u, 48u, 1u << 21}) {
    refused(GgufBytes().set("general.alignment", bad).build(), "power of two");
  }
  refused(GgufBytes().set("general.alignment", "32").build(), "power of two");
  EXPECT_NO_THROW(parse(GgufBytes().set("general.alignment", 64u).build()));
}

}  // namespace
}  // namespace glimt
