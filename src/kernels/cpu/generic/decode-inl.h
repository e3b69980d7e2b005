// Stored weights to floats: rows of every format, and the scales and biases of integer ones.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

template <typename T>
inline T read(const void* base, std::size_t index) {  // unaligned
  T value;
  __builtin_memcpy(&value, static_cast<const unsigned char*>(base) + index * sizeof(T), sizeof(T));
  return value;
}

inline float from_bits(std::uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline float bf16_to_float(std::uint16_t h) { return from_bits(static_cast<std::uint32_t>(h) << 16); }

inline float f16_to_float(std::uint16_t h) {
  const std::uint32_t magnitude = static_cast<std::uint32_t>(h & 0x7fff) << 13;
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000) << 16;
  float value = from_bits(magnitude) * 0x1p112f;  // rebias the exponent; also right for subnormal numbers
  if ((h & 0x7c00) == 0x7c00) value = from_bits(magnitude | 0x7f800000);  // infinity and NaN
  std::uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return from_bits(bits | sign);
}

inline float e4m3_to_float(std::uint8_t b) {  // 1 sign, 4 exponent (bias 7), 3 mantissa bits; no infinity
  if ((b & 0x7f) == 0x7f) return from_bits(0x7fc00000);
  const float magnitude = from_bits(static_cast<std::uint32_t>(b & 0x7f) << 20) * 0x1p120f;
  return (b & 0x80) != 0 ? -magnitude : magnitude;
}

// 2^(b - 127); 255 is NaN (OCP Microscaling Formats 1.0, 5.4.1). MLX's CPU and Metal code reads infinity there, which a
// sigmoid or a softmax would turn into a number again.
inline float e8m0_to_float(std::uint8_t b) {
  if (b == 255) return from_bits(0x7fc00000);
  return b == 0 ? from_bits(0x00400000) : from_bits(static_cast<std::uint32_t>(b) << 23);
}

constexpr float kE2m1[16] = {0.f, .5f, 1.f, 1.5f, 2.f, 3.f, 4.f, 6.f, -0.f, -.5f, -1.f, -1.5f, -2.f, -3.f, -4.f, -6.f};

// Widens `count` bfloat16 at any address.
inline void widen_bf16(const void* in, std::size_t count, float* out) {
  const auto* halves = static_cast<const std::uint16_t*>(in);
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Vec v = load(halves + i);
    __builtin_memcpy(out + i, &v, sizeof v);
  }
  for (; i < count; ++i) out[i] = bf16_to_float(read<std::uint16_t>(in, i));
}

inline float read_float(Format format, const void* base, std::size_t index) {
  if (format == Format::bf16) return bf16_to_float(read<std::uint16_t>(base, index));
  if (format == Format::f16) return f16_to_float(read<std::uint16_t>(base, index));
  return read<float>(base, index);
}

// `count` values of `bits` bits from a byte-aligned bit stream. A group has at least 16 values, so it fills whole
// bytes.
inline void decode_affine_group(const unsigned char* in, int bits, int count, float scale, float bias, float* out) {
  if (bits == 4) {
    for (int i = 0; i < count / 2; ++i) {
      out[2 * i] = scale * static_cast<float>(in[i] & 15) + bias;
      out[2 * i + 1] = scale * static_cast<float>(in[i] >> 4) + bias;
    }
  } else if (bits == 8) {
    for (int i = 0; i < count; ++i) out[i] = scale * static_cast<float>(in[i]) + bias;
  } else {
    std::uint32_t buffer = 0;
    int available = 0;
    const std::uint32_t mask = (1u << bits) - 1;
    for (int i = 0; i < count; ++i) {
      if (available < bits) {
        buffer |= static_cast<std::uint32_t>(*in++) << available;
        available += 8;
      }
      out[i] = scale * static_cast<float>(buffer & mask) + bias;
      buffer >>= bits;
      available -= bits;
    }
  }
}

inline void decode_fp_group(const unsigned char* in, int bits, int count, float scale, float* out) {
  if (bits == 4) {
    for (int i = 0; i < count / 2; ++i) {
      out[2 * i] = scale * kE2m1[in[i] & 15];
      out[2 * i + 1] = scale * kE2m1[in[i] >> 4];
    }
  } else {
    for (int i = 0; i < count; ++i) out[i] = scale * e4m3_to_float(in[i]);
  }
}

void decode_row(const MatrixView& w, int row, float* out) {
  const auto r = static_cast<std::size_t>(row);
  const auto columns = static_cast<std::size_t>(w.columns);
  const unsigned char* in = static_cast<const unsigned char*>(w.values) + r * w.row_bytes();
  if (w.format == Format::f32) {
    __builtin_memcpy(out, in, columns * sizeof(float));
  } else if (w.format == Format::bf16) {
    widen_bf16(in, columns, out);
  } else if (w.format == Format::f16) {
    for (std::size_t i = 0; i < columns; ++i) out[i] = f16_to_float(read<std::uint16_t>(in, i));
  } else {
    const int groups = w.columns / w.group_size;
    const int group_bytes = w.group_size * w.bits / 8;
    const std::size_t first = r * static_cast<std::size_t>(groups);
    for (int g = 0; g < groups; ++g) {
      const std::size_t index = first + static_cast<std::size_t>(g);
      float* group_out = out + g * w.group_size;
      const unsigned char* group_in = in + g * group_bytes;
      if (w.format == Format::affine) {
        const float scale = read_float(w.scale_format, w.scales, index);
        const float bias = read_float(w.scale_format, w.biases, index);
        decode_affine_group(group_in, w.bits, w.group_size, scale, bias, group_out);
      } else {
        const auto code = read<std::uint8_t>(w.scales, index);
        const float scale = w.format == Format::nvfp4 ? e4m3_to_float(code) : e8m0_to_float(code);
        decode_fp_group(group_in, w.bits, w.group_size, scale, group_out);
      }
    }
  }
  if (w.global_scale != nullptr) {
    const float factor = read<float>(w.global_scale, w.global_scale_per_row ? r : 0);
    for (std::size_t i = 0; i < columns; ++i) out[i] *= factor;
  }
}

inline void zero_fill(float* p, std::size_t from, std::size_t to) {
  for (std::size_t i = from; i < to; ++i) p[i] = 0.0f;
}

void expand_scales(const MatrixView& w, int row, float* scales, float* biases) {
  const int groups = w.columns / w.group_size;
  const std::size_t first = static_cast<std::size_t>(row) * static_cast<std::size_t>(groups);
  const auto count = static_cast<std::size_t>(groups);
  if (w.format == Format::affine) {
    if (w.scale_format == Format::bf16) {
      widen_bf16(static_cast<const unsigned char*>(w.scales) + 2 * first, count, scales);
      widen_bf16(static_cast<const unsigned char*>(w.biases) + 2 * first, count, biases);
    } else {
      for (std::size_t g = 0; g < count; ++g) scales[g] = read_float(w.scale_format, w.scales, first + g);
      for (std::size_t g = 0; g < count; ++g) biases[g] = read_float(w.scale_format, w.biases, first + g);
    }
  } else {
    for (std::size_t g = 0; g < count; ++g) {
      const auto code = read<std::uint8_t>(w.scales, first + g);
      scales[g] = 0.5f * (w.format == Format::nvfp4 ? e4m3_to_float(code) : e8m0_to_float(code));
      biases[g] = -12.0f * scales[g];
    }
  }
  if (w.global_scale != nullptr) {
    const float factor = read<float>(w.global_scale, w.global_scale_per_row ? static_cast<std::size_t>(row) : 0);
    for (std::size_t g = 0; g < count; ++g) {
      scales[g] *= factor;
      biases[g] *= factor;
    }
  }
  zero_fill(scales, count, padded_groups(w.columns, w.group_size));
  zero_fill(biases, count, padded_groups(w.columns, w.group_size));
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
