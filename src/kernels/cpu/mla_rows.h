// Rows of the latent cache in memory, in their three formats.
#pragma once

#include "kernels/cpu/attention_kernel.h"

#include <cstddef>
#include <cstdint>

namespace glimt::cpu {

// Columns that share a scale in RowFormat::q8.
constexpr int kRowGroup = 64;

std::size_t row_bytes(RowFormat format, int width);

// Rounds values [width] to the format. NaN and infinite values stay such: a group of q8 gets their scale.
void store_row(RowFormat format, const float* values, int width, void* row);

// Where a q8 row has the scales of its groups: float32, behind the bytes.
constexpr std::size_t q8_scales_at(int width) { return (static_cast<std::size_t>(width) + 3) / 4 * 4; }

// A q8 row as bfloat16 [width]: byte times scale, rounded to nearest, ties to even. The definition; the attention kernels have
// faster ones.
void expand_q8_row(const void* row, int width, std::uint16_t* out);

}  // namespace glimt::cpu
