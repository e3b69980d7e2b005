// The inner loops of attention for one instruction set and one arithmetic: a block of keys against some query rows.
//
// The order of every sum is fixed by the row, the absolute position of the keys and kKeyBlock alone, so that a query
// row gets the same bits whichever rows it is computed with.
#pragma once

#include "kernels/row_type.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace glimt::cpu {

// Keys are taken in blocks that start at multiples of this position.
constexpr int kKeyBlock = 128;

// Query rows that a block may be given at once.
constexpr int kMaxQueryRows = 60;

using kernels::RowType;  // attention.cpp expands q8 rows, the kernels below see bf16

struct AttentionWidths {
  int first = 0;   // of the first part of a query or key: latent, or nope
  int rope = 0;    // of the second part
  int values = 0;  // `first` where values are the keys' first columns
  int keys() const { return first + rope; }
};

// Rows of a matrix in memory; nothing is owned.
struct AttentionRows {
  RowType format = RowType::f32;
  const void* data = nullptr;
  std::size_t stride = 0;  // values from a row to the next
  int width = 0;
};

// For each row: the softmax's maximum (of scores in units of log2), the sum of its weights 2^(score - max), and the
// weighted sum of the values.
struct AttentionState {
  float* max = nullptr;  // [rows]
  float* sum = nullptr;  // [rows]
  float* out = nullptr;  // [rows, out_stride]
};

struct AttentionBlock {
  const void* queries = nullptr;  // from pack_query
  int rows = 0;                   // 1 … kMaxQueryRows
  const int* visible = nullptr;   // [rows]: how many of the block's keys the row sees, 0 … keys
  AttentionWidths widths;         // as in the queries' query_bytes
  AttentionRows keys;             // the block's first key
  AttentionRows values;  // the same position; when values.data == keys.data, values are the keys' first columns
  int count = 0;         // keys in the block, 1 … kKeyBlock
  // What will be read next, or nothing. A kernel may fetch it into the second-level cache meanwhile, evenly, so that the
  // memory has the time of this whole block for it.
  const void* next = nullptr;
  std::size_t next_bytes = 0;
  void* scratch = nullptr;  // scratch_bytes, aligned to 64
  AttentionState result;    // of this block alone; rows that see nothing get max = -FLT_MAX, sum = 0, out = 0
};

struct AttentionKernel {
  const char* isa;
  const char* arithmetic;  // "f32", "bf16", "i16"
  bool exact;              // float32 throughout
  bool reads_f32;          // RowType::f32 (all read bf16)
  int width_step;          // rows must have a multiple of so many columns

  // Floats from one row of AttentionState::out to the next.
  std::size_t (*out_stride)(int value_width);

  std::size_t (*query_bytes)(const AttentionWidths& widths, int rows);
  std::size_t (*scratch_bytes)(const AttentionWidths& widths, int rows);

  // Row `row` of `rows` in the kernel's own layout: `first` and then `second`, times `factor`. All rows from 0 on.
  void (*pack_query)(const float* first, int first_width, const float* second, int second_width, float factor, int row,
                     int rows, void* packed);

  void (*block)(const AttentionBlock& block);

  // state := state and part together, for each row. Always the same operations, whatever the caller.
  void (*merge)(int rows, int value_width, const AttentionState& part, const AttentionState& state);

  // The same bits as expand_q8_row.
  void (*expand_q8)(const void* row, int width, std::uint16_t* out);
};

// The kernels that this CPU can run, slowest first: for each instruction set an exact one and perhaps a faster one.
std::vector<const AttentionKernel*> supported_attention_kernels();

// The best kernel of isa() for rows of this format and width.
const AttentionKernel& attention_kernel(RowType format, int key_width, bool exact);

}  // namespace glimt::cpu
