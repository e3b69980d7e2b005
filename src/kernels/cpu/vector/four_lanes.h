// What four lanes do without a word of their instruction set: the rest of vector/portable.h and vector/neon.h, which
// name the lanes and the tiles before they include it.
#pragma once

#include "kernels/cpu/vector/lanes.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

inline Vec broadcast_quad(const float* p) { return load(p); }

inline void store_bytes(std::int8_t* p, IntVec v) {
  using Bytes = std::int8_t __attribute__((vector_size(kLanes)));
  const Bytes bytes = __builtin_convertvector(v, Bytes);
  __builtin_memcpy(p, &bytes, sizeof bytes);
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
