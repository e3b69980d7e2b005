// A block of attention in float32.
//
// Keys and values are copied into a panel of float32 first, so that each row of the cache is read and converted once
// for all query rows. The panel is cut into chunks of columns, [chunk][key][kChunk], so that weights · values walks
// through consecutive memory.
//
// Scores: a vector holds four columns of several query rows (the queries are packed like that once), and four columns
// of a key are broadcast against it. No sum across a whole vector is needed, only one of four lanes, and that is done
// for four keys together.
#pragma once
#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif
#include "kernels/cpu/generic/attention_common-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

namespace f32 {

// One more vector than the keys need: chunks would otherwise fall on the same sets of the first-level cache.
constexpr int kChunkStride = kKeyBlock * kChunk + kLanes;

constexpr int padded_key_width(int width) { return round_up(width, kChunk); }

// What lies in AttentionBlock::scratch.
struct Scratch {
  float* scores;       // [rows rounded up to whole vectors, kKeyBlock]
  float* key_panel;    // [chunks][kChunkStride]
  float* value_panel;  // the same, or the key panel itself
};

constexpr std::size_t panel_floats(int width) { return size(round_up(width, kChunk) / kChunk) * kChunkStride; }

inline Scratch scratch_of(const AttentionBlock& block) {
  float* scores = static_cast<float*>(block.scratch);
  float* keys = scores + scores_floats(block.rows);
  const bool shared = block.values.data == block.keys.data;
  return {scores, keys, shared ? keys : keys + panel_floats(block.keys.width)};
}

std::size_t query_bytes(const AttentionWidths& widths, int rows) {
  return size(vectors_for(rows)) * size(padded_key_width(widths.keys()) / 4) * sizeof(Vec);
}

std::size_t scratch_bytes(const AttentionWidths& widths, int rows) {
  return (scores_floats(rows) + panel_floats(widths.keys()) + panel_floats(widths.values)) * sizeof(float);
}

// packed [vector of rows][column / 4][row in the vector][4]
void pack_query(const float* first, int first_width, const float* second, int second_width, float factor, int row,
                int rows, void* packed) {
  const int padded = padded_key_width(first_width + second_width);
  float* base = static_cast<float*>(packed) + size(row / kRowsPerVector) * size(padded) * kRowsPerVector;
  const auto at = [&](int lane, int column) -> float& {
    return base[size(column / 4) * kLanes + size(lane * 4 + column % 4)];
  };
  const int lane = row % kRowsPerVector;
  for (int i = 0; i < first_width; ++i) at(lane, i) = factor * first[i];
  for (int i = 0; i < second_width; ++i) at(lane, first_width + i) = factor * second[i];
  for (int i = first_width + second_width; i < padded; ++i) at(lane, i) = 0.0f;
  if (row != rows - 1) return;
  for (int empty = lane + 1; empty < kRowsPerVector; ++empty) {
    for (int i = 0; i < padded; ++i) at(empty, i) = 0.0f;
  }
}

inline float bf16_to_float(std::uint16_t h) {
  const std::uint32_t bits = static_cast<std::uint32_t>(h) << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

// One row of `width` values into its places in the panel, zeros behind it.
void pack_row(const AttentionRows& rows, int key, float* panel) {
  const unsigned char* row =
      static_cast<const unsigned char*>(rows.data) + size(key) * rows.stride * (rows.format == RowType::f32 ? 4 : 2);
  for (int first = 0; first < rows.width; first += kChunk, panel += kChunkStride) {
    float* out = panel + key * kChunk;
    const int count = rows.width - first < kChunk ? rows.width - first : kChunk;
    if (rows.format == RowType::f32) {
      __builtin_memcpy(out, row + first * 4, size(count) * 4);
    } else if (count == kChunk) {
      std::uint16_t halves[kChunk];
      __builtin_memcpy(halves, row + first * 2, sizeof halves);
      for (int i = 0; i < kChunk; ++i) out[i] = bf16_to_float(halves[i]);
    } else {
      for (int i = 0; i < count; ++i) {
        std::uint16_t half;
        __builtin_memcpy(&half, row + (first + i) * 2, sizeof half);
        out[i] = bf16_to_float(half);
      }
    }
    for (int i = count; i < kChunk; ++i) out[i] = 0.0f;
  }
}

// `count` rows, and zeros up to a multiple of four.
void pack_rows(const AttentionRows& rows, int count, float* panel) {
  for (int key = 0; key < count; ++key) pack_row(rows, key, panel);
  for (int key = count; key < round_up(count, 4); ++key) {
    for (std::size_t chunk = 0; chunk * kChunk < size(rows.width); ++chunk) {
      for (int i = 0; i < kChunk; ++i) panel[chunk * kChunkStride + size(key * kChunk + i)] = 0.0f;
    }
  }
}

// N vectors of query rows against the four keys from `key` on.
template <int N>
inline void score_tile(const float* queries, int padded, const float* panel, int key, float* scores) {
  Vec sum[N][4] = {};
  const float* q[N];
  for (int n = 0; n < N; ++n) q[n] = queries + size(n) * size(padded) * kRowsPerVector;
  panel += key * kChunk;
  for (int chunk = 0; chunk < padded; chunk += kChunk, panel += kChunkStride) {
    for (int i = 0; i < kChunk; i += 4) {
      Vec k[4];
      for (int j = 0; j < 4; ++j) k[j] = broadcast_quad(panel + j * kChunk + i);
      for (int n = 0; n < N; ++n) {
        const Vec qv = load(q[n] + size(chunk + i) * kRowsPerVector);
        for (int j = 0; j < 4; ++j) sum[n][j] += qv * k[j];
      }
    }
  }
  for (int n = 0; n < N; ++n) {
    const Vec sums = sum_quads(sum[n]);
    for (int r = 0; r < kRowsPerVector; ++r) {
      __builtin_memcpy(scores + size(n * kRowsPerVector + r) * kKeyBlock + key,
                       reinterpret_cast<const char*>(&sums) + r * 16, 16);
    }
  }
}

template <int N>
void score_rows(const AttentionBlock& block, const Scratch& s, int first_vector) {
  const int padded = padded_key_width(block.keys.width);
  const float* queries = static_cast<const float*>(block.queries) + size(first_vector) * size(padded) * kRowsPerVector;
  float* scores = s.scores + size(first_vector * kRowsPerVector) * kKeyBlock;
  for (int key = 0; key < block.count; key += 4) score_tile<N>(queries, padded, s.key_panel, key, scores);
}

void score(const AttentionBlock& block, const Scratch& s) {
  for_tiles<kScoreTile>(vectors_for(block.rows), [&]<int N>(int first) { score_rows<N>(block, s, first); });
}

// M query rows: weights · values for one chunk of columns.
template <int M>
inline void value_tile(const float* weights, const float* panel, int count, float* out, std::size_t out_row) {
  Vec sum[M][kValueTile] = {};
  for (int key = 0; key < count; ++key, panel += kChunk) {
    Vec value[kValueTile];
    for (int v = 0; v < kValueTile; ++v) value[v] = load(panel + v * kLanes);
    for (int m = 0; m < M; ++m) {
      const Vec weight = splat(weights[m * kKeyBlock + key]);
      for (int v = 0; v < kValueTile; ++v) sum[m][v] += weight * value[v];
    }
  }
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < kValueTile; ++v) store(out + size(m) * out_row + v * kLanes, sum[m][v]);
  }
}

void weigh_values(const AttentionBlock& block, const Scratch& s) {
  const std::size_t out_row = out_stride(block.values.width);
  for (int chunk = 0; chunk * kChunk < block.values.width; ++chunk) {
    const float* panel = s.value_panel + size(chunk) * kChunkStride;
    for_tiles<kValueRows>(block.rows, [&]<int M>(int row) {
      value_tile<M>(s.scores + row * kKeyBlock, panel, block.count,
                    block.result.out + size(row) * out_row + chunk * kChunk, out_row);
    });
  }
}

void attend(const AttentionBlock& block) {
  const Scratch s = scratch_of(block);
  pack_rows(block.keys, block.count, s.key_panel);
  if (s.value_panel != s.key_panel) pack_rows(block.values, block.count, s.value_panel);
  score(block, s);
  for (int row = 0; row < block.rows; ++row) {
    softmax_row(s.scores + row * kKeyBlock, block.visible[row], block.result.max + row, block.result.sum + row,
                [](Vec weight) { return weight; });
  }
  weigh_values(block, s);
}

}  // namespace f32
}  // namespace

extern const AttentionKernel kExactAttention;
const AttentionKernel kExactAttention = {
    GLIMT_ISA_NAME,     "f32",           true,        true,  1,        out_stride, f32::query_bytes,
    f32::scratch_bytes, f32::pack_query, f32::attend, merge, expand_q8};

}  // namespace glimt::cpu::GLIMT_ISA
