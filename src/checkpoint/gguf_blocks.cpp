#include "checkpoint/gguf_blocks.h"

#include "base/error.h"
#include "checkpoint/half.h"

#include <array>
#include <cstring>

namespace glimt {
namespace {

constexpr std::size_t kGroup = 32;
constexpr std::size_t kSuper = 256;  // elements of a block of the K types

using Bytes = const unsigned char*;
using Codes = std::array<unsigned char, kGroup>;

float half_at(Bytes at) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  return float_of_f16(bits);
}

// A group of 32 elements whose values are code · scale + bias.
struct Group {
  float scale, bias;
  Codes codes;
};

// 16 bytes: elements 0 … 15 in the low halves, 16 … 31 in the high ones.
void read_nibbles(Bytes q, Codes& codes) {
  for (std::size_t j = 0; j < kGroup / 2; ++j) {
    codes[j] = q[j] & 15;
    codes[j + kGroup / 2] = q[j] >> 4;
  }
}

// 4 bytes: the fifth bit of each element.
void read_fifth_bits(Bytes q, Codes& codes) {
  for (std::size_t j = 0; j < kGroup; ++j)
    codes[j] = static_cast<unsigned char>(codes[j] | ((q[j / 8] >> j % 8) & 1) << 4);
}

// ---- One group a block

Group q4_0(Bytes block) {
  Group group{half_at(block), 0, {}};
  group.bias = -8 * group.scale;
  read_nibbles(block + 2, group.codes);
  return group;
}

Group q4_1(Bytes block) {
  Group group{half_at(block), half_at(block + 2), {}};
  read_nibbles(block + 4, group.codes);
  return group;
}

Group q5_0(Bytes block) {
  Group group{half_at(block), 0, {}};
  group.bias = -16 * group.scale;
  read_nibbles(block + 6, group.codes);
  read_fifth_bits(block + 2, group.codes);
  return group;
}

Group q5_1(Bytes block) {
  Group group{half_at(block), half_at(block + 2), {}};
  read_nibbles(block + 8, group.codes);
  read_fifth_bits(block + 4, group.codes);
  return group;
}

Group q8_0(Bytes block) {
  Group group{half_at(block), 0, {}};
  group.bias = -128 * group.scale;
  for (std::size_t j = 0; j < kGroup; ++j) group.codes[j] = static_cast<unsigned char>(block[2 + j] ^ 0x80);
  return group;
}

// ---- Eight groups a block: two float16, then for each group 6 bits that multiply the first and 6 the second

struct SixBits {
  int scale, minimum;
};

SixBits six_bits(Bytes packed, std::size_t group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6) << 4, (packed[group + 4] >> 4) | (packed[group] >> 6)
                                                                                                   << 4};
}

Group k_group(Bytes block, std::size_t index) {
  const SixBits six = six_bits(block + 4, index);
  return {half_at(block) * static_cast<float>(six.scale), -(half_at(block + 2) * static_cast<float>(six.minimum)), {}};
}

// 128 bytes: groups 2i and 2i + 1 in the low and the high halves of 32.
void read_k_nibbles(Bytes q, std::size_t index, Codes& codes) {
  for (std::size_t j = 0; j < kGroup; ++j) {
    codes[j] = static_cast<unsigned char>((q[index / 2 * kGroup + j] >> (index % 2 * 4)) & 15);
  }
}

Group q4_k(Bytes block, std::size_t index) {
  Group group = k_group(block, index);
  read_k_nibbles(block + 16, index, group.codes);
  return group;
}

Group q5_k(Bytes block, std::size_t index) {
  Group group = k_group(block, index);
  read_k_nibbles(block + 48, index, group.codes);
  for (std::size_t j = 0; j < kGroup; ++j) {
    group.codes[j] = static_cast<unsigned char>(group.codes[j] | ((block[16 + j] >> index) & 1) << 4);
  }
  return group;
}

// Calls body(group's number, group) for all groups of affine blocks.
template <typename Body>
void for_affine_groups(GgufType type, std::span<const std::byte> blocks, Body body) {
  const auto size = static_cast<std::size_t>(info_of(type).bytes);
  const auto each = [&](auto read) {
    for (std::size_t i = 0; i < blocks.size() / size; ++i) body(i, read(reinterpret_cast<Bytes>(&blocks[i * size])));
  };
  const auto each_of_eight = [&](auto read) {
    constexpr std::size_t kGroups = kSuper / kGroup;
    for (std::size_t i = 0; i < blocks.size() / size * kGroups; ++i) {
      body(i, read(reinterpret_cast<Bytes>(&blocks[i / kGroups * size]), i % kGroups));
    }
  };
  switch (type) {
    case GgufType::q4_0: return each(q4_0);
    case GgufType::q4_1: return each(q4_1);
    case GgufType::q5_0: return each(q5_0);
    case GgufType::q5_1: return each(q5_1);
    case GgufType::q8_0: return each(q8_0);
    case GgufType::q4_k: return each_of_eight(q4_k);
    case GgufType::q5_k: return each_of_eight(q5_k);
    default: fail(ErrorKind::internal, "GGUF", "{} has no affine groups", info_of(type).name);
  }
}

// 32 codes, lowest bits first, as 4 · bits bytes.
void pack(const Codes& codes, int bits, unsigned char* out) {
  std::uint32_t pending = 0;
  int have = 0;
  for (const unsigned char code : codes) {
    pending |= static_cast<std::uint32_t>(code) << have;
    for (have += bits; have >= 8; have -= 8, pending >>= 8) *out++ = static_cast<unsigned char>(pending);
  }
}

bool repack_affine(GgufType type, std::span<const std::byte> blocks, const GgufGroups& out) {
  const int bits = gguf_groups(type)->bits;
  bool finite = true;
  const auto store = [&](void* array, std::size_t index, float value) {
    const std::uint16_t half = f16_of_float(value);
    finite = finite && (half & 0x7c00) != 0x7c00;
    std::memcpy(static_cast<unsigned char*>(array) + index * sizeof half, &half, sizeof half);
  };
  for_affine_groups(type, blocks, [&](std::size_t index, const Group& group) {
    if (out.scales != nullptr) store(out.scales, index, group.scale);
    if (out.biases != nullptr) store(out.biases, index, group.bias);
    if (out.codes != nullptr) {
      pack(group.codes, bits, out.codes + index * kGroup / 8 * static_cast<std::size_t>(bits));
    }
  });
  return finite;
}

// ---- MXFP4: a scale's exponent, and 32 codes

constexpr std::size_t kMxfp4Bytes = 17;

void repack_mxfp4(std::span<const std::byte> blocks, const GgufGroups& out) {
  for (std::size_t i = 0; i < blocks.size() / kMxfp4Bytes; ++i) {
    const Bytes block = reinterpret_cast<Bytes>(&blocks[i * kMxfp4Bytes]);
    if (out.scales != nullptr) static_cast<unsigned char*>(out.scales)[i] = block[0];
    if (out.codes == nullptr) continue;
    Codes codes;
    read_nibbles(block + 1, codes);
    pack(codes, 4, out.codes + i * kGroup / 2);
  }
}

// Half of 2^(byte - 127), as ggml's table of values is doubled.
float half_e8m0(unsigned char byte) {
  const auto bits = static_cast<std::uint32_t>(byte);
  return std::bit_cast<float>(byte < 2 ? 0x00200000u << bits : (bits - 1) << 23);
}

void mxfp4(Bytes block, float* values) {
  constexpr std::array<float, 16> kDoubled = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  Codes codes;
  read_nibbles(block + 1, codes);
  for (std::size_t j = 0; j < kGroup; ++j) values[j] = half_e8m0(block[0]) * kDoubled[codes[j]];
}

// ---- Types that are no groups of MLX

void q2_k(Bytes block, float* values) {
  const Bytes q = block + 16;
  const float d = half_at(block + 80), minimum = half_at(block + 82);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const unsigned scale = block[i / 16];
    const int code = (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    values[i] =
        d * static_cast<float>(scale & 15) * static_cast<float>(code) - minimum * static_cast<float>(scale >> 4);
  }
}

// 16 scales of 6 bits in 12 bytes: 4 low bits in the first eight, 2 high ones in the last four.
int q3_scale(Bytes packed, std::size_t index) {
  const int low = (packed[index % 8] >> (index / 8 * 4)) & 15;
  const int high = (packed[8 + index % 4] >> (index / 4 * 2)) & 3;
  return (low | high << 4) - 32;
}

void q3_k(Bytes block, float* values) {
  const Bytes q = block + 32;
  const float d = half_at(block + 108);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const int low = (q[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int high = (block[i % 32] >> (i / 32)) & 1;
    values[i] = d * static_cast<float>(q3_scale(block + 96, i / 16)) * static_cast<float>(low - (high != 0 ? 0 : 4));
  }
}

void q6_k(Bytes block, float* values) {
  const Bytes low = block, high = block + 128;
  const float d = half_at(block + 208);
  for (std::size_t i = 0; i < kSuper; ++i) {
    const std::size_t part = i / 128, inside = i % 128;
    const int four = (low[part * 64 + inside % 64] >> (inside / 64 * 4)) & 15;
    const int two = (high[part * 32 + inside % 32] >> (inside / 32 * 2)) & 3;
    const auto scale = static_cast<signed char>(block[192 + i / 16]);
    values[i] = d * static_cast<float>(scale) * static_cast<float>((four | two << 4) - 32);
  }
}

constexpr std::array<float, 16> kNonLinear = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

void iq4_nl(Bytes block, float* values) {
  Codes codes;
  read_nibbles(block + 2, codes);
  for (std::size_t j = 0; j < kGroup; ++j) values[j] = half_at(block) * kNonLinear[codes[j]];
}

void iq4_xs(Bytes block, float* values) {
  const unsigned high = block[2] | block[3] << 8;
  for (std::size_t group = 0; group < kSuper / kGroup; ++group) {
    const int low = (block[4 + group / 2] >> (group % 2 * 4)) & 15;
    const int scale = (low | static_cast<int>((high >> (2 * group)) & 3) << 4) - 32;
    const float d = half_at(block) * static_cast<float>(scale);
    Codes codes;
    read_nibbles(block + 8 + group * kGroup / 2, codes);
    for (std::size_t j = 0; j < kGroup; ++j) values[group * kGroup + j] = d * kNonLinear[codes[j]];
  }
}

void f32(Bytes at, float* value) { std::memcpy(value, at, sizeof *value); }
void f16(Bytes at, float* value) { *value = half_at(at); }

void bf16(Bytes at, float* value) {
  std::uint16_t bits;
  std::memcpy(&bits, at, sizeof bits);
  *value = float_of_bf16(bits);
}

using Dequantize = void (*)(Bytes block, float* values);

Dequantize dequantizer_of(GgufType type) {
  switch (type) {
    case GgufType::f32: return f32;
    case GgufType::f16: return f16;
    case GgufType::bf16: return bf16;
    case GgufType::mxfp4: return mxfp4;
    case GgufType::q2_k: return q2_k;
    case GgufType::q3_k: return q3_k;
    case GgufType::q6_k: return q6_k;
    case GgufType::iq4_nl: return iq4_nl;
    case GgufType::iq4_xs: return iq4_xs;
    default: return nullptr;
  }
}

}  // namespace

std::optional<Quantization> gguf_groups(GgufType type) {
  const auto affine = [](int bits) { return Quantization{QuantMode::affine, bits, static_cast<int>(kGroup)}; };
  switch (type) {
    case GgufType::q4_0:
    case GgufType::q4_1:
    case GgufType::q4_k: return affine(4);
    case GgufType::q5_0:
    case GgufType::q5_1:
    case GgufType::q5_k: return affine(5);
    case GgufType::q8_0: return affine(8);
    case GgufType::mxfp4: return Quantization{QuantMode::mxfp4, 4, static_cast<int>(kGroup)};
    default: return std::nullopt;
  }
}

bool repack_gguf(GgufType type, std::span<const std::byte> blocks, const GgufGroups& groups) {
  if (type != GgufType::mxfp4) return repack_affine(type, blocks, groups);
  repack_mxfp4(blocks, groups);
  return true;
}

void dequantize_gguf(GgufType type, std::span<const std::byte> blocks, std::span<float> values) {
  const Dequantize dequantize = dequantizer_of(type);
  if (dequantize == nullptr) {
    for_affine_groups(type, blocks, [&](std::size_t index, const Group& group) {
      for (std::size_t j = 0; j < kGroup; ++j) {
        values[index * kGroup + j] = static_cast<float>(group.codes[j]) * group.scale + group.bias;
      }
    });
    return;
  }
  const GgufTypeInfo& info = info_of(type);
  const auto size = static_cast<std::size_t>(info.bytes), elements = static_cast<std::size_t>(info.block);
  for (std::size_t i = 0; i < blocks.size() / size; ++i) {
    dequantize(reinterpret_cast<Bytes>(&blocks[i * size]), &values[i * elements]);
  }
}

}  // namespace glimt
