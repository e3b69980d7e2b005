// 16-bit floats without a library: conversions of single values.
#pragma once

#include <bit>
#include <cstdint>

namespace glimt {

inline float float_of_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

inline float float_of_f16(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  if (rest >= 0x7c00) return std::bit_cast<float>(sign | 0x7f800000u | ((rest & 0x3ffu) << 13));
  const float magnitude = std::bit_cast<float>(rest << 13) * 0x1p112f;  // exact, for subnormal ones too
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
}

// To the nearest, half to even; infinity beyond 65504.
inline std::uint16_t f16_of_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::bit_cast<float>(bits & 0x7fffffffu);
  if (!(magnitude < 65520.0f)) return static_cast<std::uint16_t>(sign | (magnitude == magnitude ? 0x7c00u : 0x7e00u));
  if (magnitude < 0x1p-14f) {  // subnormal: the sum's last bit is worth 2^-24
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(magnitude + 0.5f) - 0x3f000000u));
  }
  const auto m = std::bit_cast<std::uint32_t>(magnitude);
  return static_cast<std::uint16_t>(sign | ((m + 0xfffu + ((m >> 13) & 1u) - 0x38000000u) >> 13));
}

}  // namespace glimt
