// Attention of several sequences' queries to their own keys, on all threads, without a score matrix in memory.
//
// The keys are cut into blocks at fixed positions. Each block gives every query row a partial softmax (maximum, sum,
// weighted values), and the partial results are merged as a binary tree over the blocks' positions. Long contexts with
// few queries are parallel over ranges of blocks, many queries are parallel over the queries; both do the same operations
// in the same order, so the result depends neither on the number of threads nor on the other rows, sequences or the chunk
// that a query comes in.
#pragma once

#include "kernels/cpu/attention_kernel.h"

#include <span>

namespace glimt::cpu {

struct AttentionShape {
  int heads = 0;
  AttentionWidths widths;
  float scale = 1;  // of the scores
};

// Not owned. Query i is at position keys - queries + i and sees the keys from first_key up to itself. Key t is row
// t % kKeyBlock of the block `blocks[t / kKeyBlock]`. REQUIRES keys - queries >= first_key >= 0.
struct AttentionSequence {
  int queries = 0;                 // of each head
  const float* q_first = nullptr;  // query i of head h at (h · head_stride + i) · widths.first
  const float* q_pe = nullptr;     // the same with rope
  float* out = nullptr;            // the same with values
  int head_stride = 0;             // rows from a head to the next
  RowType format = RowType::f32;
  const void* rows = nullptr;  // block 0: [kKeyBlock] rows of row_bytes(format, widths.keys())
  const int* blocks = nullptr;
  int keys = 0;
  int first_key = 0;             // below kKeyBlock
  const void* values = nullptr;  // the same of row_bytes(format, widths.values), not q8; null: the rows' first columns
};

// All heads share the keys (and values). Sequences may have different numbers of queries and keys, one format for all.
void latent_attention(const AttentionShape& shape, std::span<const AttentionSequence> sequences,
                      const AttentionKernel& kernel);

}  // namespace glimt::cpu
