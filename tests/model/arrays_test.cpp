// Tensors of files as arrays: every dtype, without a copy where the bytes allow it.
#include "model/arrays.h"

#include "base/needs_proc.h"
#include "base/temporary_folder.h"
#include "checkpoint/safetensors_bytes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

namespace glimt {
namespace {

class Arrays : public testing::Test {
 protected:
  TemporaryFolder folder_;
};

TEST_F(Arrays, HaveTheBytesAndTheDtypeOfTheirTensors) {
  const struct {
    const char* name;
    mx::Dtype dtype;
  } kTypes[] = {{"F64", mx::float64}, {"F32", mx::float32},   {"F16", mx::float16},  {"BF16", mx::bfloat16},
                {"I64", mx::int64},   {"I32", mx::int32},     {"I16", mx::int16},    {"I8", mx::int8},
                {"U64", mx::uint64},  {"U32", mx::uint32},    {"U16", mx::uint16},   {"U8", mx::uint8},
                {"BOOL", mx::bool_},  {"F8_E4M3", mx::uint8}, {"F8_E8M0", mx::uint8}};
  for (const auto& type : kTypes) {
    SCOPED_TRACE(type.name);
    const std::string bytes(6 * type.dtype.size(), '\1');
    const SafetensorsFile file(folder_.write(
        "weights.safetensors", file_of(fmt::format(R"({{"a.b":{{"dtype":"{}","shape":[2,3],"data_offsets":[0,{}]}}}})",
                                                   type.name, bytes.size()),
                                       bytes)));
    const mx::array array = array_of(file, "a.b");
    EXPECT_EQ(array.dtype(), type.dtype);
    EXPECT_EQ(array.shape(), (mx::Shape{2, 3}));
    EXPECT_EQ(std::memcmp(array.data<char>(), bytes.data(), bytes.size()), 0);
  }
}

TEST_F(Arrays, MayBeScalarsOrEmpty) {
  const SafetensorsFile file(
      folder_.write("weights.safetensors", file_of(R"({"scalar":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                                                   R"("none":{"dtype":"F32","shape":[0,7],"data_offsets":[4,4]}})",
                                                   std::string("\0\0\x80\x3f", 4))));
  EXPECT_EQ(array_of(file, "scalar").item<float>(), 1.0f);
  EXPECT_EQ(array_of(file, "none").size(), 0u);
}

// Values that MLX wrote come back; the order of names in the header need not be that of the data.
TEST_F(Arrays, ReadsWhatMlxWrites) {
  const std::filesystem::path path = folder_.path() / "mlx.safetensors";
  const mx::array a = mx::random::normal({5, 7}), b = mx::astype(mx::arange(11), mx::int32);
  mx::save_safetensors(path.string(), {{"z", a}, {"a", b}}, {{"format", "mlx"}});
  const SafetensorsFile file(path);
  EXPECT_TRUE(mx::array_equal(array_of(file, "z"), a).item<bool>());
  EXPECT_TRUE(mx::array_equal(array_of(file, "a"), b).item<bool>());
  mx::save_safetensors(path.string(), {{"z", a}});  // "__metadata__": null
  EXPECT_TRUE(mx::array_equal(array_of(SafetensorsFile(path), "z"), a).item<bool>());
}

// Where the process has `path` mapped, [begin, end).
std::vector<std::pair<std::uintptr_t, std::uintptr_t>> mappings_of(const std::filesystem::path& path) {
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> result;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (!line.ends_with(path.string())) continue;
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) == 2) result.emplace_back(begin, end);
  }
  return result;
}

bool lies_in(const mx::array& array, const std::filesystem::path& path) {
  const auto address = reinterpret_cast<std::uintptr_t>(array.data<char>());
  const auto mappings = mappings_of(path);
  return std::any_of(mappings.begin(), mappings.end(),
                     [&](const auto& m) { return m.first <= address && address + array.nbytes() <= m.second; });
}

TEST_F(Arrays, AnAlignedTensorLiesInTheMappedFileAndKeepsItMapped) {
  NEEDS_PROC();
  std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::filesystem::path path =
      folder_.write("weights.safetensors", file_of(header, std::string("\0\0\x80\x3f\0\0\0\x40", 8)));
  {
    std::optional<SafetensorsFile> file(path);
    const mx::array array = array_of(*file, "a");
    EXPECT_TRUE(lies_in(array, path));
    file.reset();
    EXPECT_TRUE(lies_in(array, path));
    EXPECT_EQ(mx::sum(array).item<float>(), 3.0f);
    const mx::array again = array_of(SafetensorsFile(path), "a");
    EXPECT_EQ(mx::sum(mx::add(array, again)).item<float>(), 6.0f);
  }
  EXPECT_TRUE(mappings_of(path).empty());
}

TEST_F(Arrays, AMisalignedTensorIsCopiedUnlessAnyOffsetWillDo) {
  NEEDS_PROC();
  std::string header =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[1,9]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::filesystem::path path =
      folder_.write("weights.safetensors", file_of(header, std::string("!\0\0\x80\x3f\0\0\0\x40", 9)));
  const SafetensorsFile file(path);
  const mx::array array = array_of(file, "a");
  EXPECT_FALSE(lies_in(array, path));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data<char>()) % alignof(float), 0u);
  EXPECT_EQ(mx::sum(array).item<float>(), 3.0f);
  EXPECT_TRUE(lies_in(array_of(file, "b"), path));
  EXPECT_TRUE(lies_in(array_of(file, "a", ArrayOffset::any), path));
}

}  // namespace
}  // namespace glimt
