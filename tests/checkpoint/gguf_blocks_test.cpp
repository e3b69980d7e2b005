// Blocks beside what the Python package gguf makes of them (tests/oracle/make_gguf.py).
#include "checkpoint/gguf_blocks.h"

#include "base/file.h"
#include "checkpoint/gguf_header.h"
#include "checkpoint/gguf_part.h"
#include "checkpoint/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>
#include <vector>

namespace glimt {
namespace {

class Blocks {
 public:
  Blocks() : file_(std::filesystem::path(GLIMT_SOURCE_DIR) / "tests/checkpoint/data/gguf_blocks.gguf") {
    header_ = parse_gguf_header({file_.data(), file_.size()}, "gguf_blocks.gguf");
  }

  std::vector<std::string> types() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : header_.tensors) {
      if (name.find('.') == std::string::npos) names.push_back(name);
    }
    return names;
  }
  GgufType type(const std::string& name) const { return static_cast<GgufType>(header_.tensors.at(name).type); }
  std::span<const std::byte> bytes(const std::string& name) const {
    const GgufTensor& tensor = header_.tensors.at(name);
    return {file_.data() + tensor.offset, tensor.nbytes};
  }
  std::vector<float> values(const std::string& name) const {
    const auto stored = bytes(name + ".values");
    std::vector<float> values(stored.size() / sizeof(float));
    std::memcpy(values.data(), stored.data(), stored.size());
    return values;
  }

 private:
  MappedFile file_;
  GgufHeader header_;
};

TEST(GgufBlocks, AllTypesThatAreReadAreThere) {
  const Blocks blocks;
  EXPECT_EQ(blocks.types().size(), 16u);
  for (const std::string& name : blocks.types()) {
    EXPECT_EQ(info_of(blocks.type(name)).name, name);
    EXPECT_TRUE(info_of(blocks.type(name)).read);
  }
}

TEST(GgufBlocks, AreDequantizedToTheBit) {
  const Blocks blocks;
  for (const std::string& name : blocks.types()) {
    const std::vector<float> wanted = blocks.values(name);
    std::vector<float> got(wanted.size(), std::numeric_limits<float>::quiet_NaN());
    dequantize_gguf(blocks.type(name), blocks.bytes(name), got);
    for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_EQ(got[i], wanted[i]) << name << " " << i;
  }
}

// The value of an element from MLX's parts, whatever the order of their bytes was in the file.
float unpacked(const Quantization& q, const std::vector<unsigned char>& codes, std::size_t index, float scale,
               float bias) {
  unsigned code = 0;
  for (int bit = 0; bit < q.bits; ++bit) {
    const std::size_t at = index * static_cast<std::size_t>(q.bits) + static_cast<std::size_t>(bit);
    code |= static_cast<unsigned>((codes[at / 8] >> at % 8) & 1) << bit;
  }
  if (q.mode == QuantMode::affine) return static_cast<float>(code) * scale + bias;
  constexpr float kValues[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  return (code < 8 ? 1.0f : -1.0f) * kValues[code % 8] * scale;
}

TEST(GgufBlocks, AreMlxGroupsCodeForCode) {
  const Blocks blocks;
  int count = 0;
  for (const std::string& name : blocks.types()) {
    const auto q = gguf_groups(blocks.type(name));
    if (!q) continue;
    ++count;
    const std::vector<float> wanted = blocks.values(name);
    std::vector<unsigned char> codes(wanted.size() * static_cast<std::size_t>(q->bits) / 8);
    std::vector<std::uint16_t> scales(wanted.size() / 32), biases(wanted.size() / 32);
    ASSERT_TRUE(repack_gguf(blocks.type(name), blocks.bytes(name), {codes.data(), scales.data(), biases.data()}));
    const auto* bytes = reinterpret_cast<const unsigned char*>(scales.data());
    const bool rounds = name == "Q4_K" || name == "Q5_K";
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      const std::size_t group = i / 32;
      const bool affine = q->mode == QuantMode::affine;
      const float scale = affine ? float_of_f16(scales[group]) : std::ldexp(1.0f, bytes[group] - 127);
      const float bias = affine ? float_of_f16(biases[group]) : 0;
      // Half a unit of float16's last place of the scale, and of the bias.
      const float allowed = rounds ? 0x1p-11f * (31 * std::abs(scale) + std::abs(bias)) + 0x1p-24f : 0;
      ASSERT_NEAR(unpacked(*q, codes, i, scale, bias), wanted[i], allowed) << name << " " << i;
    }
  }
  EXPECT_EQ(count, 8);
}

// A part in pieces of whole blocks is the same as the whole.
TEST(GgufParts, AreMadeOfTheirBlocks) {
  const Blocks blocks;
  for (const std::string& name : blocks.types()) {
    const std::span<const std::byte> bytes = blocks.bytes(name);
    const GgufEntry entry{name, blocks.type(name), {2, 512}, 0, bytes.size()};
    const std::vector<NamedGgufPart> parts = gguf_parts("m.weight", entry);
    const auto q = gguf_groups(entry.type);
    ASSERT_EQ(parts.size(), !q ? 1u : q->mode == QuantMode::affine ? 3u : 2u) << name;
    for (const NamedGgufPart& one : parts) {
      std::vector<std::byte> whole(one.info.nbytes), halves(one.info.nbytes);
      const auto decode = [&](std::size_t begin, std::size_t end, std::vector<std::byte>& out) {
        const FileRange range = gguf_range(one.part, begin, end);
        return decode_gguf(one.part, bytes.subspan(range.offset, range.nbytes),
                           std::span(out).subspan(begin, end - begin));
      };
      EXPECT_EQ(one.info.shape.front(), 2);
      EXPECT_TRUE(decode(0, whole.size(), whole));
      EXPECT_TRUE(decode(0, whole.size() / 2, halves) && decode(whole.size() / 2, whole.size(), halves));
      EXPECT_EQ(whole, halves) << name << " " << one.name;
    }
    if (q) {
      EXPECT_EQ(parts[0].info.shape, (Shape{2, 512 * q->bits / 32}));
      EXPECT_EQ(parts[1].name, "m.scales");
      EXPECT_EQ(parts[1].info.shape, (Shape{2, 16}));
    }
  }
}

TEST(GgufBlocks, AScaleThatFloat16CannotHoldIsSaid) {
  std::vector<std::byte> block(34);
  const auto repacks = [&](std::uint16_t scale) {
    std::memcpy(block.data(), &scale, sizeof scale);
    std::vector<unsigned char> codes(32);
    std::uint16_t scales = 0, biases = 0;
    return repack_gguf(GgufType::q8_0, block, {codes.data(), &scales, &biases});
  };
  EXPECT_TRUE(repacks(f16_of_float(511)));
  EXPECT_FALSE(repacks(f16_of_float(512))) << "its bias is 65536";
  EXPECT_FALSE(repacks(0x7c00)) << "infinity";
  EXPECT_FALSE(repacks(0x7e00)) << "not a number";
}

TEST(Half, EveryFloat16ComesBackAndAllElseIsRounded) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = float_of_f16(half);
    if ((bits & 0x7fff) > 0x7c00) {
      EXPECT_TRUE(std::isnan(value));
    } else {
      EXPECT_EQ(value, static_cast<float>(std::bit_cast<_Float16>(half))) << bits;
      EXPECT_EQ(f16_of_float(value), half);
    }
  }
  std::mt19937 random(1);
  for (int i = 0; i < 1'000'000; ++i) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    const auto wanted = std::bit_cast<std::uint16_t>(static_cast<_Float16>(value));
    if (std::isnan(value)) continue;
    ASSERT_EQ(f16_of_float(value), wanted) << value;
  }
  EXPECT_TRUE(std::isnan(float_of_f16(f16_of_float(std::numeric_limits<float>::quiet_NaN()))));
}

}  // namespace
}  // namespace glimt
