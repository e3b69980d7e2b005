// Four lanes of NEON, which the compiler makes of its own notation.
#pragma once

#ifndef GLIMT_ISA
#define GLIMT_ISA neon
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr int kLanes = 4;

// Results that are kept in registers at once: activation rows times weight rows of a product of floats; of attention,
// query vectors against four keys in float32, and query rows times vectors of output columns.
constexpr int kTileX = 4, kTileW = 4;
constexpr int kScoreTile = 5;
constexpr int kValueRows = 5, kValueTile = 4;

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA

#include "kernels/cpu/vector/four_lanes.h"
