// The loops of conversion, on every instruction set of this CPU, against MLX itself and against vectors that its CPU
// backend made.
#include "convert/loops.h"

#include "convert/packed.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <mlx/mlx.h>

#include <cmath>
#include <limits>
#include <random>
#include <sstream>

namespace glimt::convert {
namespace {

namespace mx = mlx::core;
using ::testing::ElementsAreArray;

// ---- Vectors of one group of 32 (two of 16), made by mlx 0.32.4 on a CPU

struct Vector {
  char row;
  Quantization q;
  const char* words;  // as stored, in hexadecimal
  const char* scales;
  const char* biases;
};

constexpr Quantization affine(int bits) { return {QuantMode::affine, bits, 32}; }
constexpr Quantization kMxfp4 = {QuantMode::mxfp4, 4, 32}, kMxfp8 = {QuantMode::mxfp8, 8, 32},
                       kNvfp4 = {QuantMode::nvfp4, 4, 16};

const Vector kVectors[] = {
    {'A', affine(4), "43222100 87666544 cbaaa988 ffeeedcc", "3d00", "be80"},
    {'A', kMxfp4, "ccddddee 099aabbc 33221100 65555444", "7b", ""},
    {'A', kNvfp4, "deeeefff 99abccdd 54432210 77766665", "13 12", ""},
    {'A', kMxfp8, "f5f6f7f8 f1f2f3f4 eaeceef0 d8e0e4e8 64605800 6e6c6a68 73727170 77767574", "75", ""},
    {'B', affine(4), "a3d95210 457bf4a1 1a4fb754 01259d3a", "3c9a", "be1a"},
    {'B', kMxfp4, "2d51ceee cb936d3e e3d639bc eeec15d2", "7a", ""},
    {'B', kNvfp4, "2e61ceff dc947d3f f3d749cd ffec16e2", "0d 0d", ""},
    {'B', kMxfp8, "eff6f9fa 67f5755a 78f26af8 f1edda6d 6ddaedf1 f86af278 5a75f567 faf9f6ef", "74", ""},
    {'B', affine(2), "5bdc9e50 05b637e5", "3d9a", "be1a"},
    {'B', affine(3), "a9a7c440 7b1a4e5e 00a9cd35", "3d1a", "be1a"},
    {'B', affine(5), "b9251420 7fa2c2a1 c1694ae1 d41591fb 004aa970", "3c11", "be1a"},
    {'B', affine(6), "64509080 0ac5a4be 49782dfd 3fb605d2 92e916b4 00225493", "3b91", "be1a"},
    {'B', affine(8), "52250a00 a42ee492 ff40ad13 495b80b7 b7805b49 13ad40ff 92e42ea4 000a2552", "3a90", "be1a"},
    {'C', affine(4), "0 0 0 0", "b3d7", "bf33"},
    {'C', kMxfp4, "ffffffff ffffffff ffffffff ffffffff", "7c", ""},
    {'C', kMxfp8, "fbfbfbfb fbfbfbfb fbfbfbfb fbfbfbfb fbfbfbfb fbfbfbfb fbfbfbfb fbfbfbfb", "76", ""},
    {'C', kNvfp4, "ffffffff ffffffff ffffffff ffffffff", "1f 1f", ""},
    {'D', affine(4), "bccddeef 8899aaab 44556677 00112233", "3d86", "bffc"},
    {'D', kMxfp4, "cccccccc dddddddc dddddddd eeeeeeed", "7e", ""},
    {'D', kNvfp4, "eeeeeeee fffffffe fffffeee ffffffff", "28 2a", ""},
    {'F', affine(4), "ffffffff ffffffff ffffffff 0fffffff", "beab", "40a0"},
    {'F', kMxfp4, "0 0 0 60000000", "7f", ""},
    {'F', kNvfp4, "0 0 0 70000000", "00 35", ""},
    {'G', affine(4), "ccddeeff 8899aabb 44556677 00112233", "bf04", "40f8"},
    {'G', kMxfp4, "21111000 43333222 55544444 66655555", "80", ""},
    {'G', kNvfp4, "54432210 77766665 66666655 77777766", "32 3a", ""},
    {'0', affine(4), "0 0 0 0", "b3d7", "0000"},
    {'0', kMxfp4, "0 0 0 0", "7f", ""},
    {'0', kMxfp8, "0 0 0 0 0 0 0 0", "7f", ""},
    {'0', kNvfp4, "0 0 0 0", "00 00", ""},
};

float value_of(char row, int i) {
  const auto x = static_cast<float>(i);
  switch (row) {
    case 'A': return x / 64 - 0.25f;
    case 'B': return static_cast<float>((i * i % 31 - 15) * 0.01);
    case 'C': return -0.7f;
    case 'D': return -1 - x / 32;
    case 'F': return i == 31 ? 5.0f : i % 2 == 0 ? 0.001f : -0.001f;
    case 'G': return 0.25f * x;
    default: return 0;
  }
}

std::vector<std::uint32_t> hexadecimal(const std::string& text) {
  std::vector<std::uint32_t> values;
  std::istringstream words(text);
  for (std::string word; words >> word;) values.push_back(static_cast<std::uint32_t>(std::stoul(word, nullptr, 16)));
  return values;
}

// The values of stored scales or biases, one a byte or one in two.
std::vector<std::uint32_t> numbers(const std::vector<std::byte>& bytes, bool two) {
  std::vector<std::uint32_t> values;
  for (std::size_t i = 0; i < bytes.size(); i += two ? 2 : 1) {
    const auto high = two ? std::to_integer<std::uint32_t>(bytes[i + 1]) << 8 : 0;
    values.push_back(std::to_integer<std::uint32_t>(bytes[i]) | high);
  }
  return values;
}

TEST(Loops, GiveTheBitsOfTheVectors) {
  for (const Loops* loops : supported_loops()) {
    for (const Vector& v : kVectors) {
      std::vector<float> row;
      for (int i = 0; i < 32; ++i) row.push_back(value_of(v.row, i));
      const Packed packed = quantized(*loops, v.q, Dtype::bf16, rounded(row, Dtype::bf16));
      const std::string what = fmt::format("{}, {} {} {} bits", loops->name, v.row, to_string(v.q.mode), v.q.bits);
      const bool is_affine = v.q.mode == QuantMode::affine;
      EXPECT_THAT(packed.codes, ElementsAreArray(hexadecimal(v.words))) << what;
      EXPECT_THAT(numbers(packed.scales, is_affine), ElementsAreArray(hexadecimal(v.scales))) << what;
      EXPECT_THAT(numbers(packed.biases, true), ElementsAreArray(hexadecimal(v.biases))) << what;
    }
  }
}

TEST(Loops, KeepFloat32ScalesWhole) {
  std::vector<float> row;
  for (int i = 0; i < 32; ++i) row.push_back(value_of('B', i));
  const Packed packed = quantized(loops(), affine(4), Dtype::f32, row);
  EXPECT_THAT(packed.codes, ElementsAreArray(hexadecimal("a3d95210 457bf4a1 1a4fb754 01259d3a")));
  std::uint32_t scale = 0, bias = 0;
  std::memcpy(&scale, packed.scales.data(), sizeof scale);
  std::memcpy(&bias, packed.biases.data(), sizeof bias);
  EXPECT_EQ(scale, 0x3c99999aU);
  EXPECT_EQ(bias, 0xbe19999aU);
}

// ---- Against MLX

constexpr int kColumns = 128;

// Rows of many kinds: Gaussian of several sizes, heavy tails, one sign, constant, zero, tiny, huge, sparse, grids with
// ties, ends of equal size.
std::vector<float> hostile_rows() {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::student_t_distribution<float> heavy(3);
  std::vector<float> values;
  const auto add_row = [&](const auto& value) {
    for (int i = 0; i < kColumns; ++i) values.push_back(value(i));
  };
  for (const float size : {1e-8f, 1e-4f, 0.005f, 0.02f, 1.0f, 1e3f}) {
    for (int k = 0; k < 12; ++k) add_row([&](int) { return normal(random) * size; });
    for (int k = 0; k < 6; ++k) add_row([&](int) { return heavy(random) * size; });
    add_row([&](int) { return std::abs(normal(random)) * size; });
    add_row([&](int) { return -std::abs(normal(random)) * size; });
    add_row([&](int) { return size; });
    add_row([&](int) { return -size; });
    add_row([&](int i) { return i % 17 == 0 ? normal(random) * size : 0.0f; });
    add_row([&](int i) { return static_cast<float>(i % 13 - 6) * size; });
    add_row([&](int i) { return (static_cast<float>(i % 16) * 0.25f - 1.875f) * size; });
    add_row([&](int i) { return i % 2 == 0 ? size : -size; });
  }
  add_row([](int) { return 0.0f; });
  add_row([](int) { return -0.0f; });
  add_row([](int i) { return i % 2 == 0 ? 0.0f : -0.0f; });
  add_row([&](int) { return normal(random) * 6e4f / 5; });
  for (const float edge : {0.25f, 0.75f, 1.25f, 1.75f, 2.5f, 3.5f, 5.0f}) {  // ties of 4-bit floats
    add_row([&](int i) { return i % 32 == 0 ? 6.0f : i % 2 == 0 ? edge : -edge; });
  }
  return values;
}

mx::Dtype mlx_type(Dtype type) {
  return type == Dtype::bf16 ? mx::bfloat16 : type == Dtype::f16 ? mx::float16 : mx::float32;
}

template <typename Element>
std::vector<Element> elements(const mx::array& array) {
  mx::array flat = mx::contiguous(mx::flatten(array));
  mx::eval(flat);
  const auto* data = reinterpret_cast<const Element*>(flat.data<std::byte>());
  return {data, data + flat.nbytes() / sizeof(Element)};
}

Packed by_mlx(const Quantization& q, Dtype type, const std::vector<float>& values, int columns = kColumns) {
  const int rows = static_cast<int>(values.size()) / columns;
  const mx::array array = mx::astype(mx::array(values.data(), {rows, columns}, mx::float32), mlx_type(type));
  const std::vector<mx::array> parts = mx::quantize(array, q.group_size, q.bits, q.mode_name());
  Packed packed;
  packed.codes = elements<std::uint32_t>(parts[0]);
  packed.scales = elements<std::byte>(parts[1]);
  if (parts.size() > 2) packed.biases = elements<std::byte>(parts[2]);
  return packed;
}

std::string difference(const Packed& got, const Packed& wanted, const Quantization& q) {
  const auto words = static_cast<std::size_t>(q.group_size * q.bits / 32);
  for (std::size_t i = 0; i < got.codes.size(); ++i) {
    if (got.codes[i] != wanted.codes[i])
      return fmt::format("group {}: code word {:08x}, MLX has {:08x}", i / words, got.codes[i], wanted.codes[i]);
  }
  for (std::size_t i = 0; i < got.scales.size(); ++i) {
    if (got.scales[i] != wanted.scales[i])
      return fmt::format("byte {} of the scales: {}, MLX has {}", i, std::to_integer<int>(got.scales[i]),
                         std::to_integer<int>(wanted.scales[i]));
  }
  return got == wanted ? "" : "biases differ";
}

TEST(Loops, GiveMlxsBitsForEveryModeAndType) {
  for (const Dtype type : {Dtype::f32, Dtype::bf16, Dtype::f16}) {
    const std::vector<float> values = rounded(hostile_rows(), type);
    for (const Quantization& q : every_quantization()) {
      const Packed wanted = by_mlx(q, type, values);
      for (const Loops* loops : supported_loops()) {
        EXPECT_EQ(difference(quantized(*loops, q, type, values), wanted, q), "")
            << loops->name << " " << to_string(type) << " " << to_string(q.mode) << " " << q.bits << " bits, group "
            << q.group_size;
      }
    }
  }
}

// Rows at the ends of float32's range, and of nvfp4's.
std::vector<float> extreme_rows(std::initializer_list<float> sizes = {1e-40f, 1e-38f, 3e-37f, 3e5f, 7e5f, 1e9f, 1e30f,
                                                                      3e38f}) {
  std::vector<float> values;
  for (const float size : sizes) {
    for (int i = 0; i < kColumns; ++i) values.push_back(static_cast<float>(i % 9 - 4) / 4 * size);
  }
  return values;
}

TEST(Loops, GiveMlxsBitsAtTheEndsOfTheRange) {
  for (const Dtype type : {Dtype::f32, Dtype::bf16}) {
    const std::vector<float> values = rounded(extreme_rows(), type);
    for (const Quantization& q : every_quantization()) {
      if (q.mode == QuantMode::mxfp4 || q.mode == QuantMode::mxfp8) continue;  // see the next test
      EXPECT_EQ(difference(quantized(loops(), q, type, values), by_mlx(q, type, values), q), "")
          << to_string(type) << " " << to_string(q.mode) << " " << q.bits << " bits, group " << q.group_size;
    }
  }
}

// Scales below the smallest normal float32: MLX's own depend on how its powers of two round.
TEST(Loops, DenormalGroupsOfMxModesDecodeToAboutThemselves) {
  const std::vector<float> values = extreme_rows({1e-40f, 1e-38f, 3e-37f, 1e30f});
  for (const Quantization& q : {kMxfp4, kMxfp8}) {
    const std::vector<float> result = decoded(loops(), q, Dtype::f32, quantized(loops(), q, Dtype::f32, values));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const float largest = std::abs(values[i / kColumns * kColumns]);
      EXPECT_LE(std::abs(result[i] - values[i]), largest / 4 + 0x1p-127f) << i;
    }
  }
}

TEST(Loops, DecodeWhatMlxDecodes) {
  for (const Dtype type : {Dtype::f32, Dtype::bf16, Dtype::f16}) {
    const std::vector<float> values = rounded(hostile_rows(), type);
    for (const Quantization& q : every_quantization()) {
      const Packed packed = quantized(loops(), q, type, values);
      const int rows = static_cast<int>(values.size()) / kColumns;
      const mx::array codes(packed.codes.data(), {rows, kColumns * q.bits / 32}, mx::uint32);
      const auto part = [&](const std::vector<std::byte>& bytes, mx::Dtype dtype) {
        const mx::array raw(reinterpret_cast<const std::uint8_t*>(bytes.data()),
                            {rows, static_cast<int>(bytes.size()) / rows}, mx::uint8);
        return mx::view(raw, dtype);
      };
      const bool is_affine = q.mode == QuantMode::affine;
      const mx::array scales = part(packed.scales, is_affine ? mlx_type(type) : mx::uint8);
      const auto biases = is_affine ? std::optional(part(packed.biases, mlx_type(type))) : std::nullopt;
      // In float32: the loops' results are rounded to `type` by those who use them.
      const mx::array wanted =
          mx::dequantize(codes, is_affine ? mx::astype(scales, mx::float32) : scales,
                         biases ? std::optional(mx::astype(*biases, mx::float32)) : std::nullopt, q.group_size, q.bits,
                         q.mode_name(), std::nullopt, is_affine ? std::nullopt : std::optional(mx::float32));
      for (const Loops* loops : supported_loops()) {
        EXPECT_EQ(decoded(*loops, q, type, packed), elements<float>(wanted))
            << loops->name << " " << to_string(type) << " " << to_string(q.mode) << " " << q.bits;
      }
    }
  }
}

// ---- Float types

TEST(Loops, WidenAndNarrowEveryHalfAsMlxDoes) {
  std::vector<std::uint16_t> halves(1 << 16);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  for (const Dtype type : {Dtype::f16, Dtype::bf16}) {
    const mx::array raw(halves.data(), {1 << 16}, mx::uint16);
    const std::vector<float> wanted = elements<float>(mx::astype(mx::view(raw, mlx_type(type)), mx::float32));
    for (const Loops* loops : supported_loops()) {
      std::vector<float> wide(halves.size());
      std::vector<std::uint16_t> back(halves.size());
      loops->widen(type, halves.data(), wide.data(), halves.size());
      loops->narrow(type, wide.data(), back.data(), halves.size());
      for (std::size_t i = 0; i < halves.size(); ++i) {
        if (!std::isfinite(wanted[i])) continue;
        ASSERT_EQ(wide[i], wanted[i]) << loops->name << " " << to_string(type) << " " << i;
        ASSERT_EQ(back[i], halves[i]) << loops->name << " " << to_string(type) << " " << i;
      }
    }
  }
}

TEST(Loops, NarrowRoundsToTheNearestHalfToEven) {
  std::mt19937 random(3);
  std::vector<float> values;
  for (int i = 0; i < 100000; ++i) {
    const auto magnitude = static_cast<float>(
        std::ldexp(1 + static_cast<double>(random()) / 4294967296.0, static_cast<int>(random() % 44) - 29));
    values.push_back(i % 2 == 0 ? magnitude : -magnitude);
  }
  for (int i = 0; i < 2048; ++i) values.push_back(1 + static_cast<float>(i) / 4096);  // ties of both
  const mx::array array(values.data(), {static_cast<int>(values.size())}, mx::float32);
  for (const Dtype type : {Dtype::f16, Dtype::bf16}) {
    const std::vector<std::uint16_t> wanted = elements<std::uint16_t>(mx::astype(array, mlx_type(type)));
    for (const Loops* loops : supported_loops()) {
      std::vector<std::uint16_t> got(values.size());
      loops->narrow(type, values.data(), got.data(), values.size());
      EXPECT_EQ(got, wanted) << loops->name << " " << to_string(type);
    }
  }
}

TEST(Loops, FindTheFirstValueThatIsNotFinite) {
  for (const Loops* loops : supported_loops()) {
    for (const Dtype type : {Dtype::f32, Dtype::f16, Dtype::bf16}) {
      std::vector<float> values(10000, 1.5f);
      std::vector<std::uint32_t> stored(values.size());
      loops->narrow(type, values.data(), stored.data(), values.size());
      EXPECT_EQ(loops->first_not_finite(type, stored.data(), values.size()), values.size());
      for (const std::uint16_t half : {0x7fff, 0xff80, 0x7f80, 0xffff}) {  // NaN or infinite as bfloat16
        auto* bytes = reinterpret_cast<unsigned char*>(stored.data());
        const std::uint16_t own = type == Dtype::f16 ? (half | 0x7c00) : half;
        const std::size_t width = size_of(type);
        std::memcpy(bytes + 8191 * width + (width - 2), &own, 2);
        EXPECT_EQ(loops->first_not_finite(type, stored.data(), values.size()), 8191U) << to_string(type);
      }
    }
  }
}

}  // namespace
}  // namespace glimt::convert
