// A block of attention with bfloat16 dot products (AVX512_BF16: two products a lane, summed in float32).
//
// The rows of the cache are bfloat16 already and are read where they lie; queries and weights are rounded to it. For
// the scores a vector holds eight columns of four query rows, against which eight columns of a key are broadcast. For
// the weighted values two keys are interleaved, so that a lane holds the same column of both, one chunk of columns at a
// time, which stays in the first-level cache; unpacking leaves the columns out of order, which is put right when a tile
// of the output is stored.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx512.h"
#endif
#include "kernels/cpu/generic/attention_common-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

namespace bf16 {

constexpr int kTileKeys = 8;
constexpr int kPairs = kKeyBlock / 2;
constexpr int kPairBytes = kChunk * 4;

inline __m512bh as_bf16(__m512i v) { return reinterpret_cast<__m512bh>(v); }

// What lies in AttentionBlock::scratch.
struct Scratch {
  float* scores;           // [rows rounded up to whole vectors, kKeyBlock]
  std::uint16_t* weights;  // [rows, kKeyBlock]
  unsigned char* panel;    // [pair of keys][vector of 16 columns] of a chunk of columns
  unsigned char* keys;     // [kTileKeys] rows
};

inline Scratch scratch_of(const AttentionBlock& block) {
  unsigned char* base = static_cast<unsigned char*>(block.scratch);
  unsigned char* weights = base + scores_floats(block.rows) * sizeof(float);
  unsigned char* panel = weights + scores_floats(block.rows) * sizeof(std::uint16_t);
  return {reinterpret_cast<float*>(base), reinterpret_cast<std::uint16_t*>(weights), panel,
          panel + size(kPairs * kPairBytes)};
}

std::size_t query_bytes(const AttentionWidths& widths, int rows) {
  return size(vectors_for(rows)) * size(round_up(widths.keys(), 8) / 8) * sizeof(Vec);
}

std::size_t scratch_bytes(const AttentionWidths& widths, int rows) {
  return scores_floats(rows) * (sizeof(float) + sizeof(std::uint16_t)) + size(kPairs * kPairBytes) +
         size(kTileKeys * widths.keys() * 2);
}

inline __m128i to_bf16(const float* eight, float factor) {
  return reinterpret_cast<__m128i>(_mm256_cvtneps_pbh(_mm256_mul_ps(_mm256_loadu_ps(eight), _mm256_set1_ps(factor))));
}

// packed [vector of four rows][column / 8][row in the vector][8]
void pack_query(const float* first, int first_width, const float* second, int second_width, float factor, int row,
                int rows, void* packed) {
  const int width = first_width + second_width, lane = row % kRowsPerVector;
  unsigned char* out = static_cast<unsigned char*>(packed) + size(row - lane) * size(width) * 2 + lane * 16;
  for (int column = 0; column < width; column += 8, out += kRowsPerVector * 16) {
    float both[8];
    const float* source = column < first_width ? first + column : second + (column - first_width);
    if (column < first_width && column + 8 > first_width) {  // eight columns of both parts
      for (int i = 0; i < 8; ++i) {
        both[i] = column + i < first_width ? first[column + i] : second[column + i - first_width];
      }
      source = both;
    }
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), to_bf16(source, factor));
    for (int empty = 1; row == rows - 1 && lane + empty < kRowsPerVector; ++empty) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + empty * 16), _mm_setzero_si128());
    }
  }
}

// The eight keys of a tile.
struct KeyTile {
  const unsigned char* rows;
  std::size_t stride;  // bytes
};

// Behind the last key of a block there may be no memory: the last tile's keys are copied then. No row sees the scores of
// what follows them.
inline KeyTile tile_at(const AttentionBlock& block, int key, unsigned char* copy) {
  const std::size_t stride = block.keys.stride * 2;
  const unsigned char* rows = row_at(block.keys, key);
  if (key + kTileKeys <= block.count) return {rows, stride};
  const std::size_t bytes = size(block.keys.width) * 2;
  for (int j = 0; j < block.count - key; ++j) __builtin_memcpy(copy + size(j) * bytes, rows + size(j) * stride, bytes);
  return {copy, bytes};
}

// What is fetched into the second-level cache during the scores, evenly: the block's values if they lie apart, then what
// will follow the block.
class Ahead {
 public:
  Ahead(const AttentionBlock& block, std::size_t steps)
      : next_(static_cast<const unsigned char*>(block.next != nullptr ? block.next : block.keys.data)) {
    std::size_t bytes = block.next != nullptr ? block.next_bytes : 0;
    if (block.values.data != block.keys.data) {
      values_ = static_cast<const unsigned char*>(block.values.data);
      left_ = size(block.count) * block.values.stride * 2;
      bytes += left_;
    }
    step_ = (bytes + steps - 1) / steps;
  }

  std::size_t step() const { return step_; }  // bytes

  // Where the next `steps` steps fetch.
  const unsigned char* take(std::size_t steps) {
    const std::size_t bytes = steps * step_;
    const unsigned char*& from = left_ > 0 ? values_ : next_;
    left_ -= left_ < bytes ? left_ : bytes;
    const unsigned char* at = from;
    from += bytes;
    return at;
  }

 private:
  const unsigned char *values_ = nullptr, *next_;
  std::size_t left_ = 0, step_;  // bytes of values
};

// N vectors of four query rows against a tile of keys.
template <int N>
inline void score_tile(const unsigned char* queries, int steps, const KeyTile& tile, Ahead& ahead, float* scores) {
  __m512 sum[N][kTileKeys];
  for (int n = 0; n < N; ++n) {
    for (int j = 0; j < kTileKeys; ++j) sum[n][j] = _mm512_setzero_ps();
  }
  const std::size_t stride = size(steps) * 64, fetch_step = ahead.step();
  const unsigned char *fetched = ahead.take(size(steps)), *near = tile.rows + size(steps) * 16 * kTileKeys;
  const unsigned char* keys = tile.rows;
  for (int step = 0; step < steps; ++step) {
    // A step takes 16 bytes of eight rows: two lines a step bring the eight rows that lie behind them.
    __builtin_prefetch(near);
    __builtin_prefetch(near + 64);
    near += 128;
    __builtin_prefetch(fetched, 0, 2);
    fetched += fetch_step;
    __m512i q[N];
    // Addresses are made anew in each step, from few pointers and distances: all of them do not fit into registers.
    __asm__("" : "+r"(queries), "+r"(keys));
    for (int n = 0; n < N; ++n) q[n] = _mm512_loadu_si512(queries + size(n) * stride);
    queries += 64;
    for (int j = 0; j < kTileKeys; ++j) {
      const __m512i k =
          _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(keys + size(j) * tile.stride)));
      for (int n = 0; n < N; ++n) sum[n][j] = _mm512_dpbf16_ps(sum[n][j], as_bf16(q[n]), as_bf16(k));
    }
    keys += 16;
  }
#pragma GCC unroll 8
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (int j = 0; j < kTileKeys; j += 4) {
      const Vec four[4] = {sum[n][j], sum[n][j + 1], sum[n][j + 2], sum[n][j + 3]};
      const Vec sums = sum_quads(four);
      for (int r = 0; r < kRowsPerVector; ++r) {
        __builtin_memcpy(scores + size(n * kRowsPerVector + r) * kKeyBlock + j,
                         reinterpret_cast<const char*>(&sums) + r * 16, 16);
      }
    }
  }
}

// All keys against N vectors of rows before the next rows: the queries then stay in the first-level cache.
void score(const AttentionBlock& block, const Scratch& s) {
  const int steps = block.keys.width / 8;
  const unsigned char* queries = static_cast<const unsigned char*>(block.queries);
  const int vectors = vectors_for(block.rows);
  Ahead ahead(block, size(tiles_for(vectors, kScoreTile16) * tiles_for(block.count, kTileKeys) * steps));
  for_tiles<kScoreTile16>(vectors, [&]<int N>(int first) {
    for (int key = 0; key < block.count; key += kTileKeys) {
      score_tile<N>(queries + size(first) * size(steps) * 64, steps, tile_at(block, key, s.keys), ahead,
                    s.scores + size(first * kRowsPerVector) * kKeyBlock + key);
    }
  });
}

void round_weights(const float* in, std::uint16_t* out) {
  for (int i = 0; i < kKeyBlock; i += 16) {
    const __m256bh halves = _mm512_cvtneps_pbh(_mm512_loadu_ps(in + i));
    __builtin_memcpy(out + i, &halves, sizeof halves);
  }
}

// Weights as bfloat16 has them, still in float32.
inline Vec rounded(Vec weight) {
  const __m256i halves = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(weight));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// A chunk of columns of two neighbouring keys, interleaved. `second` may be null for zeros.
inline void pack_pair(const unsigned char* first, const unsigned char* second, int columns, unsigned char* pair) {
  for (int half = 0; half < 2; ++half) {
    const int begin = half * 32, rest = columns - begin;
    const __mmask32 mask = rest >= 32 ? ~__mmask32{0} : rest > 0 ? (__mmask32{1} << rest) - 1 : 0;
    const __m512i a = _mm512_maskz_loadu_epi16(mask, first + begin * 2);
    const __m512i b = second != nullptr ? _mm512_maskz_loadu_epi16(mask, second + begin * 2) : _mm512_setzero_si512();
    _mm512_store_si512(pair + half * 128, _mm512_unpacklo_epi16(a, b));
    _mm512_store_si512(pair + half * 128 + 64, _mm512_unpackhi_epi16(a, b));
  }
}

void pack_chunk(const AttentionBlock& block, int column, unsigned char* panel) {
  for (int key = 0; key < block.count; key += 2, panel += kPairBytes) {
    pack_pair(row_at(block.values, key) + column * 2,
              key + 1 < block.count ? row_at(block.values, key + 1) + column * 2 : nullptr, block.values.width - column,
              panel);
  }
}

// M query rows: weights · values for one chunk of columns.
template <int M>
inline void value_tile(const std::uint16_t* weights, const unsigned char* panel, int pairs, const unsigned char* ahead,
                       std::size_t ahead_step, float* out, std::size_t out_row) {
  __m512 sum[M][4];
  for (int m = 0; m < M; ++m) {
    for (int v = 0; v < 4; ++v) sum[m][v] = _mm512_setzero_ps();
  }
  for (int pair = 0; pair < pairs; ++pair, panel += kPairBytes, ahead += ahead_step) {
    __builtin_prefetch(ahead);
    __m512i value[4];
    for (int v = 0; v < 4; ++v) value[v] = _mm512_load_si512(panel + v * 64);
    for (int m = 0; m < M; ++m) {
      int both;
      __builtin_memcpy(&both, weights + m * kKeyBlock + pair * 2, sizeof both);
      const __m512i weight = _mm512_set1_epi32(both);
      for (int v = 0; v < 4; ++v) sum[m][v] = _mm512_dpbf16_ps(sum[m][v], as_bf16(weight), as_bf16(value[v]));
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      store_in_order(out + size(m) * out_row + half * 32, sum[m][half * 2], sum[m][half * 2 + 1]);
    }
  }
}

// While a chunk is multiplied, each tile of rows fetches a quarter of the next one: the upper or lower line of every
// second key.
void weigh_values(const AttentionBlock& block, const Scratch& s) {
  const std::size_t out_row = out_stride(block.values.width), row_bytes = block.values.stride * 2;
  const auto* values = static_cast<const unsigned char*>(block.values.data);
  for (int column = 0; column < block.values.width; column += kChunk) {
    pack_chunk(block, column, s.panel);
    const bool is_last = column + kChunk >= block.values.width;
    std::size_t tile = 0;
    for_tiles<kValueRows>(block.rows, [&]<int M>(int row) {
      const unsigned char* ahead =
          is_last ? values : values + size(column + kChunk) * 2 + tile / 2 % 2 * row_bytes + tile % 2 * 64;
      value_tile<M>(s.weights + row * kKeyBlock, s.panel, (block.count + 1) / 2, ahead, is_last ? 0 : 2 * row_bytes,
                    block.result.out + size(row) * out_row + column, out_row);
      ++tile;
    });
  }
}

void attend(const AttentionBlock& block) {
  const Scratch s = scratch_of(block);
  score(block, s);
  for (int row = 0; row < block.rows; ++row) {
    float* scores = s.scores + row * kKeyBlock;
    softmax_row(scores, block.visible[row], block.result.max + row, block.result.sum + row, rounded);
    round_weights(scores, s.weights + row * kKeyBlock);
  }
  weigh_values(block, s);
}

}  // namespace bf16
}  // namespace

extern const AttentionKernel kFastAttention;
const AttentionKernel kFastAttention = {
    GLIMT_ISA_NAME,      "bf16",           false,        false, 8,        out_stride, bf16::query_bytes,
    bf16::scratch_bytes, bf16::pack_query, bf16::attend, merge, expand_q8};

}  // namespace glimt::cpu::GLIMT_ISA
