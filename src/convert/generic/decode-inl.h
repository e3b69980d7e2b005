// Codes to floats.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/fp-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

constexpr std::size_t kStretch = 16;  // values that are decoded together: no group is smaller

template <int Bits>
inline void unpack_stretch(const unsigned char* stream, std::uint8_t* codes) {
  unpack_eight<Bits>(stream, codes);
  unpack_eight<Bits>(stream + Bits, codes + 8);
}

template <typename T, int Bits>
void affine_decode(std::size_t group, const PackedParts& in, float* values, std::size_t n) {
  const auto* scales = static_cast<const typename T::Stored*>(in.scales);
  const auto* biases = static_cast<const typename T::Stored*>(in.biases);
  for (std::size_t at = 0; at < n; at += kStretch) {
    std::uint8_t codes[kStretch];
    unpack_stretch<Bits>(in.codes + at * Bits / 8, codes);
    const float scale = T::widen(scales[at / group]), bias = T::widen(biases[at / group]);
    for (std::size_t i = 0; i < kStretch; ++i) values[at + i] = static_cast<float>(codes[i]) * scale + bias;
  }
}

template <int Bits>
void fp_decode(const Quantization& q, const PackedParts& in, float* values, std::size_t n) {
  const auto* scales = static_cast<const std::uint8_t*>(in.scales);
  const auto group = static_cast<std::size_t>(q.group_size);
  for (std::size_t at = 0; at < n; at += kStretch) {
    std::uint8_t codes[kStretch];
    unpack_stretch<Bits>(in.codes + at * Bits / 8, codes);
    const std::uint8_t stored = scales[at / group];
    const float scale = q.mode == QuantMode::nvfp4 ? from_e4m3(stored) : from_e8m0(stored);
    for (std::size_t i = 0; i < kStretch; ++i) {
      values[at + i] = (Bits == 8 ? from_e4m3(codes[i]) : kE2m1[codes[i] & 15]) * scale;
    }
  }
}

void decode(const Quantization& q, Dtype type, const PackedParts& in, float factor, float* values, std::size_t n) {
  if (q.mode == QuantMode::affine) {
    with_type(type, [&](auto t) {
      with_bits(q.bits, [&](auto bits) {
        affine_decode<decltype(t), decltype(bits)::value>(static_cast<std::size_t>(q.group_size), in, values, n);
      });
    });
  } else if (q.mode == QuantMode::mxfp8) {
    fp_decode<8>(q, in, values, n);
  } else {
    fp_decode<4>(q, in, values, n);
  }
  if (factor == 1) return;
  for (std::size_t i = 0; i < n; ++i) values[i] *= factor;
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
