// gate · sigmoid(gate) · up
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

void silu_multiply(float* gate, const float* up, std::size_t n) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec g = load(gate + i);
    store(gate + i, g / (1.0f + exp_of(-g)) * load(up + i));
  }
  for (; i < n; ++i) gate[i] = gate[i] / (1.0f + __builtin_expf(-gate[i])) * up[i];
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
