// What four lanes do without a word of their instruction set: the rest of vector/portable.h and vector/neon.h, which
// name the lanes and the tiles before they include it.
#pragma once

#include "kernels/cpu/vector/lanes.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

inline Vec broadcast_quad(const float* p) { return load(p); }

// In each lane of 64 bits kBytes bytes of the ones from p on (generic/widen-inl.h), and anything above them.
template <std::size_t kBytes>
inline WideVec load_fields(const unsigned char* p) {
  WideVec lanes;
  for (std::size_t i = 0; i < sizeof lanes / 8; ++i) {
    std::uint64_t lane;
    __builtin_memcpy(&lane, p + i * kBytes, sizeof lane);
    lanes[i] = lane;
  }
  return lanes;
}

template <int kBits>
std::size_t widen_quickly(const unsigned char*, std::size_t, unsigned char*) {
  return 0;
}

inline void store_bytes(std::int8_t* p, IntVec v) {
  using Bytes = std::int8_t __attribute__((vector_size(kLanes)));
  const Bytes bytes = __builtin_convertvector(v, Bytes);
  __builtin_memcpy(p, &bytes, sizeof bytes);
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
