// Four lanes without any instruction of a CPU: what runs where nothing better is written, and what editors and linters
// see when they read a header of generic/ alone.
#pragma once

#ifndef GLIMT_ISA
#define GLIMT_ISA portable
#define GLIMT_ISA_NAME "portable"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr int kLanes = 4;

// Results that are kept in registers at once: activation rows times weight rows of a product of floats; of attention,
// query vectors against four keys in float32, and query rows times vectors of output columns.
constexpr int kTileX = 2, kTileW = 4;
constexpr int kScoreTile = 2;
constexpr int kValueRows = 5, kValueTile = 2;

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA

#include "kernels/cpu/vector/four_lanes.h"
