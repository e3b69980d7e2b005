// Rows of the latent cache in memory, in their three formats.
#pragma once

#include "kernels/row_type.h"

#include <cstddef>
#include <cstdint>

namespace glimt::cpu {

using kernels::kRowGroup;
using kernels::q8_scales_at;
using kernels::row_bytes;
using kernels::RowType;

// Rounds values [width] to the format. NaN and infinite values stay such: a group of q8 gets their scale.
void store_row(RowType format, const float* values, int width, void* row);

// The values that a row stands for.
void load_row(RowType format, const void* row, int width, float* values);

// A q8 row as bfloat16 [width]: byte times scale, rounded to nearest, ties to even. The definition; the attention
// kernels have faster ones.
void expand_q8_row(const void* row, int width, std::uint16_t* out);

}  // namespace glimt::cpu
