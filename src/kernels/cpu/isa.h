// The inner loops that depend on the instruction set, behind one table of function pointers chosen when it is first
// asked for.
// Every entry computes the same thing on every ISA up to the rounding of float32 (fused or not, order of lanes);
// on one ISA a result does not depend on the tile, block or thread that computed it.
#pragma once

#include "kernels/cpu/matrix.h"

#include <vector>

namespace glimt::cpu {

// Activations as 8-bit integers: x ≈ scale * q within each group of `group` columns. Not owned.
struct IntegerRows {
  const std::int8_t* values = nullptr;  // `stride` bytes a row; order of columns: see Isa::quantize_row
  const float* scales = nullptr;        // `group_stride` floats a row
  const float* sums = nullptr;          // scale * sum of the group's q, for the biases
  std::size_t stride = 0;
  std::size_t group_stride = 0;

  IntegerRows from(std::size_t row) const {
    return {values + row * stride, scales + row * group_stride, sums + row * group_stride, stride, group_stride};
  }
};

// Rows of a weight matrix with 4- or 8-bit values (integer_bits) and their scales and biases as floats. Not owned.
struct IntegerWeights {
  const unsigned char* values = nullptr;  // at any address
  std::size_t row_bytes = 0;
  int columns = 0;
  int bits = 4;
  int group = 0;
  bool e2m1 = false;  // 4-bit codes stand for the float values of mxfp4 and nvfp4, shifted to 0..24 (see expand_scales)
  const float* scales = nullptr;  // `group_stride` floats a row, from expand_scales
  const float* biases = nullptr;
  std::size_t group_stride = 0;
  const void* bf16_scales = nullptr;  // instead of these, as stored, at any address: columns / group values a row
  const void* bf16_biases = nullptr;
};

// e2m1 codes stand for v / 2 with v in {0, 1, 2, 3, 4, 6, 8, 12} and a sign. The kernels look up v + 12, which is not
// negative, so that scale / 2 and -12 times that are the scale and bias of an affine format.
constexpr unsigned char kE2m1Shifted[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

// Up to so many activation rows a product with integer weights is bound by memory, not by arithmetic.
constexpr int kFewRows = 4;

// More rows are computed in tiles of about equal height, at most Isa::tile_rows, which is at most kMostTileRows.
constexpr int kMostTileRows = 12;
constexpr int tile_count(int rows, int most) { return (rows + most - 1) / most; }
constexpr int tile_height(int rows, int tiles, int t) { return rows / tiles + (t < rows % tiles ? 1 : 0); }

// Weight rows that dot_integer transposes at once for these: no instruction set needs more.
constexpr int kMostPanelRows = 16;

// Space for the integer forms: rows of values are padded with zeros to whole blocks and to four groups, and rows of
// scales may be read by whole vectors beyond the last group.
constexpr int kBlockColumns = 128;
constexpr std::size_t padded_columns(int columns, int group) {
  const auto step = static_cast<std::size_t>(4 * group > kBlockColumns ? 4 * group : kBlockColumns);
  return (static_cast<std::size_t>(columns) + step - 1) / step * step;
}
constexpr std::size_t padded_groups(int columns, int group) {
  return (static_cast<std::size_t>(columns / group) + 15) / 16 * 16 + 16;
}

// What dot_integer transposes into, 64-byte aligned.
constexpr std::size_t scratch_bytes(int columns, int group) {
  return kMostPanelRows * (padded_columns(columns, group) + 2 * sizeof(float) * padded_groups(columns, group));
}

struct Isa {
  const char* name;

  // Row `row` of `w` as float32 into out[0, columns).
  void (*decode_row)(const MatrixView& w, int row, float* out);

  // y[m][n] = dot(x[m], w + n * stride) over `k` columns, for m < rows_x and n < rows_w. One accumulator a result, its
  // lanes along k, summed as a tree at the end. The floats at `w` may lie at any address.
  void (*dot)(const float* const* x, int rows_x, const void* w, std::size_t stride, int rows_w, int k, float* const* y);

  // The same with bfloat16 weights, for few activation rows. The same bits as after decode_row.
  void (*dot_bf16)(const float* const* x, int rows_x, const void* w, std::size_t stride, int rows_w, int k,
                   float* const* y);

  // One row of activations to integers. `interleave`: within each block of 128 columns the even ones come first, then
  // the odd ones, as the nibbles of 4-bit weights lie. A group with a value that is not finite gets a NaN scale,
  // one whose values are all below 2^-120 is zero.
  void (*quantize_row)(const float* x, int columns, int group, bool interleave, std::int8_t* values, float* scales,
                       float* sums);

  // Scales and biases of row `row` as floats (padded with zeros to a multiple of 16), so that value = scale * code +
  // bias for the codes that dot_integer sees. REQUIRES integer_bits(w) > 0.
  void (*expand_scales)(const MatrixView& w, int row, float* scales, float* biases);

  // `count` codes of 2 or 3 bits as 4-bit ones, of 5 or 6 bits as bytes. REQUIRES a multiple of 16.
  void (*widen_codes)(const unsigned char* in, int bits, std::size_t count, unsigned char* out);

  // Whether dot_integer takes bf16_scales and bf16_biases.
  bool reads_bf16_scales;

  // The highest tile of activation rows that dot_integer takes; 0: it takes plain rows, however many.
  int tile_rows;

  // out[word][row] = rows[row][word], 32 bits each, for `count` <= tile_rows rows: the rows of a tile side by side.
  void (*interleave_rows)(const void* const* rows, int count, std::size_t words, void* out);

  // y[m][n] = dot of activation row m and weight row n, for m < rows_x, n < rows_w. If tile_rows > 0 and rows_x >
  // kFewRows, x is in tiles: from row c on, where a tile of `height` rows begins, x.values holds these rows interleaved
  // (all x.stride bytes of each), and so do x.scales and x.sums; `scratch` is of scratch_bytes(w.columns, w.group)
  // then.
  void (*dot_integer)(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y,
                      void* scratch);

  // gate[i] = silu(gate[i]) * up[i]
  void (*silu_multiply)(float* gate, const float* up, std::size_t n);
};

// Bits of the codes that dot_integer takes for this matrix: as stored, or from widen_codes; 0 if it takes none (floats,
// mxfp8).
constexpr int integer_bits(const MatrixView& w) {
  if (w.format == Format::mxfp4 || w.format == Format::nvfp4) return 4;
  if (w.format != Format::affine) return 0;
  return w.bits <= 4 ? 4 : 8;
}

// The best one for this CPU, or the one that the environment variable GLIMT_CPU_ISA names: scalar, avx2 (with FMA),
// avx512 (with VNNI), neon, neon_dotprod. Throws Error(unsupported) if the named one is unknown or this CPU lacks it.
// Chosen once; thread-safe.
const Isa& isa();

// Every one that this CPU can run, scalar first. For tests.
std::vector<const Isa*> supported_isas();

}  // namespace glimt::cpu
