// Quantized values as a test makes and compares them.
#pragma once

#include "convert/loops.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace glimt::convert {

struct Packed {
  std::vector<std::uint32_t> codes;
  std::vector<std::byte> scales, biases;

  static Packed room_for(const Quantization& q, Dtype type, std::size_t n) {
    const std::size_t groups = n / static_cast<std::size_t>(q.group_size);
    const bool affine = q.mode == QuantMode::affine;
    Packed packed;
    packed.codes.resize(n * static_cast<std::size_t>(q.bits) / 32);
    packed.scales.resize(groups * (affine ? size_of(type) : 1));
    if (affine) packed.biases.resize(packed.scales.size());
    return packed;
  }

  PackedParts parts() { return {reinterpret_cast<unsigned char*>(codes.data()), scales.data(), biases.data()}; }
  PackedParts parts() const { return const_cast<Packed*>(this)->parts(); }
  bool operator==(const Packed&) const = default;
};

inline Packed quantized(const Loops& loops, const Quantization& q, Dtype type, const std::vector<float>& values) {
  Packed packed = Packed::room_for(q, type, values.size());
  loops.quantize(q, type, values.data(), values.size(), packed.parts());
  return packed;
}

inline std::vector<float> decoded(const Loops& loops, const Quantization& q, Dtype type, const Packed& packed) {
  std::vector<float> values(packed.codes.size() * 32 / static_cast<std::size_t>(q.bits));
  loops.decode(q, type, packed.parts(), 1, values.data(), values.size());
  return values;
}

// Values rounded to a float type.
inline std::vector<float> rounded(const std::vector<float>& values, Dtype type) {
  std::vector<std::uint32_t> stored(values.size());
  std::vector<float> result(values.size());
  loops().narrow(type, values.data(), stored.data(), values.size());
  loops().widen(type, stored.data(), result.data(), values.size());
  return result;
}

inline std::vector<Quantization> every_quantization() {
  std::vector<Quantization> all = {{QuantMode::mxfp4, 4, 32}, {QuantMode::mxfp8, 8, 32}, {QuantMode::nvfp4, 4, 16}};
  for (const int bits : {2, 3, 4, 5, 6, 8}) {
    for (const int group : {32, 64, 128}) all.push_back({QuantMode::affine, bits, group});
  }
  return all;
}

}  // namespace glimt::convert
