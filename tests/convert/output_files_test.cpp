// The files of weights: their layout, and that several of them are one model.
#include "convert/output_files.h"

#include "base/temporary_folder.h"
#include "base/throws.h"
#include "checkpoint/checkpoint_folder.h"

#include <random>

namespace glimt::convert {
namespace {

namespace fs = std::filesystem;

Unit unit_of(std::vector<OutputTensor> tensors) {
  const std::string name = tensors.front().name;
  return {.name = name, .job = VectorJob{{}, Dtype::f32}, .tensors = std::move(tensors)};
}

// Tensors of odd sizes and all widths.
std::vector<Unit> random_units(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Unit> units;
  for (int i = 0; i < 40; ++i) {
    std::vector<OutputTensor> tensors;
    for (const Dtype dtype : {Dtype::u32, Dtype::bf16, Dtype::u8}) {
      const int columns = random() % 2 == 0 ? 64 : static_cast<int>(random() % 70 + 1);
      tensors.push_back({"t" + std::to_string(i) + std::string(to_string(dtype)), dtype, {3, columns}});
    }
    units.push_back(unit_of(std::move(tensors)));
  }
  return units;
}

// Each byte of a tensor tells which tensor it is of.
std::byte mark(const std::string& name) { return static_cast<std::byte>(std::hash<std::string>()(name) & 0xff); }

void fill(OutputFiles& files, const std::vector<Unit>& units) {
  for (const Unit& unit : units) {
    for (const OutputTensor& tensor : unit.tensors) {
      const std::vector<std::byte> bytes(tensor.nbytes(), mark(tensor.name));
      files.write(tensor.name, 0, std::span(bytes).first(1));
      files.write(tensor.name, 1, std::span(bytes).subspan(1));
    }
  }
  files.sync();
}

TEST(OutputFiles, AreReadAsOneModelWithAlignedTensors) {
  for (unsigned seed = 1; seed < 20; ++seed) {
    const TemporaryFolder folder;
    const std::vector<Unit> units = random_units(seed);
    OutputFiles files(units, {{"format", "mlx"}}, seed % 2 == 0 ? kShardBytes : 4000);
    files.create(folder.path());
    fill(files, units);
    folder.write("model.safetensors.index.json", json::serialize(files.index()));
    const CheckpointFolder read(folder.path(), {});
    EXPECT_EQ(read.files().size() == 1, seed % 2 == 0);
    std::size_t tensors = 0;
    for (const Unit& unit : units) {
      for (const OutputTensor& tensor : unit.tensors) {
        const StoredTensor& stored = read.at(tensor.name);
        EXPECT_EQ(stored.info.dtype, tensor.dtype);
        EXPECT_EQ(stored.info.shape, tensor.shape);
        EXPECT_EQ(stored.info.offset % size_of(tensor.dtype), 0U) << tensor.name;
        EXPECT_EQ(stored.file->map()->data()[stored.info.offset + tensor.nbytes() - 1], mark(tensor.name));
        ++tensors;
      }
    }
    EXPECT_EQ(read.tensors().size(), tensors);
    std::uint64_t bytes = 0;
    for (const auto& file : read.files()) {
      bytes += file->map()->size();
      EXPECT_EQ((file->header_text().size() + 8) % 64, 0U);
    }
    EXPECT_EQ(bytes, files.file_bytes());
  }
}

TEST(OutputFiles, OpensOnlyWhatItWouldMake) {
  const TemporaryFolder folder;
  const std::vector<Unit> units = random_units(1);
  OutputFiles files(units, {}), others(random_units(2), {});
  EXPECT_FALSE(files.open(folder.path()));
  files.create(folder.path());
  EXPECT_TRUE(files.open(folder.path()));
  EXPECT_FALSE(others.open(folder.path()));
  fs::resize_file(folder.path() / "model.safetensors", 100);
  EXPECT_FALSE(files.open(folder.path()));
}

TEST(OutputFiles, ATensorIsNotWrittenBeyondItsEnd) {
  const TemporaryFolder folder;
  const std::vector<Unit> units = {unit_of({{"x", Dtype::f32, {4}}})};
  OutputFiles files(units, {});
  files.create(folder.path());
  const std::vector<std::byte> bytes(17);
  EXPECT_ERROR(files.write("x", 0, bytes), ErrorKind::internal, ::testing::HasSubstr("'x'"));
}

TEST(OutputFiles, AFolderThatCannotBeWrittenIsNamed) {
  const std::vector<Unit> units = {unit_of({{"x", Dtype::f32, {4}}})};
  OutputFiles files(units, {});
  EXPECT_ERROR(files.create("/proc/nowhere"), ErrorKind::bad_file, ::testing::HasSubstr("model.safetensors"));
}

}  // namespace
}  // namespace glimt::convert
