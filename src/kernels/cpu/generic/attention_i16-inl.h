// A block of attention with 16-bit integer dot products (two products a lane, summed in 32 bits): twice the rate of
// float32 on x86 and closer to it than bfloat16.
//
// Each key's first part and its rope part are scaled to integers of at most `limit` once for all query rows, and so are
// the queries; and values, where these are not the keys' first part. `limit` is what 32 bits hold: 4095 for 512
// columns. A weight is scaled together with its key's
// scale, for each row and block, such that neither a weight nor the sum over the block can overflow.
//
// The order of columns and of keys is that of attention_bf16-inl.h: four lanes of a vector are eight columns of a query
// row, and unpacking two keys leaves the columns out of order until a tile of the output is stored.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx2.h"
#endif
#include "kernels/cpu/generic/attention_common-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

namespace i16 {

inline Vec to_floats(IntVec v) { return __builtin_convertvector(v, Vec); }

constexpr int kColumns = 2 * kLanes;  // 16-bit integers in a vector
constexpr int kTileKeys = kKeyTile;
constexpr int kFewKeys = 16;
constexpr int kVectors = kChunk / kLanes;  // of the output in a chunk of columns, an even number
constexpr std::size_t kPairBytes = size(kChunk) * 4;
// A cache line more than the pairs need: chunks would otherwise fall on the same sets of the first-level cache.
constexpr std::size_t kChunkBytes = size(kKeyBlock / 2) * kPairBytes + 64;
constexpr int kMostInWeight = 32767;

// All parts are padded with zeros to whole chunks or vectors.
struct Widths {
  int first, rope, values;
  float first_limit, rope_limit, value_limit;  // of the integers
  int keys() const { return first + rope; }
};

// A lane sums the products of a quarter of the columns.
inline float limit_for(int columns) {
  const int quarter = columns / 4;
  const float limit = __builtin_floorf(__builtin_sqrtf(2147483000.0f / static_cast<float>(quarter)));
  return limit < kMostInWeight ? limit : kMostInWeight;
}

inline Widths widths_of(const AttentionWidths& w) {
  const int first = round_up(w.first, kChunk), rope = round_up(w.rope, kColumns), values = round_up(w.values, kChunk);
  return {first, rope, values, limit_for(first), rope > 0 ? limit_for(rope) : 1.0f, limit_for(values)};
}

struct PackedQueries {
  const std::int16_t* values;  // [vector of rows][column / 8][row in the vector][8]
  const float* first_scales;   // [vector of rows][row in the vector][4 times the same]
  const float* rope_scales;
};

inline std::size_t integers_bytes(const Widths& widths, int rows) {
  return size(vectors_for(rows) * kRowsPerVector) * size(widths.keys()) * sizeof(std::int16_t);
}

inline PackedQueries queries_of(const AttentionBlock& block, const Widths& widths) {
  const void* scales = static_cast<const unsigned char*>(block.queries) + integers_bytes(widths, block.rows);
  const float* first_scales = static_cast<const float*>(scales);
  return {static_cast<const std::int16_t*>(block.queries), first_scales,
          first_scales + vectors_for(block.rows) * kLanes};
}

// What lies in AttentionBlock::scratch.
struct Scratch {
  float* scores;          // [rows rounded up to whole vectors, kKeyBlock]
  std::int16_t* weights;  // the same shape
  float* first_scales;    // [kKeyBlock], of the keys' first part
  float* rope_scales;     // [kKeyBlock], of their second one
  float* value_scales;    // [kKeyBlock]; first_scales if values are the keys' first part
  std::int16_t* keys;     // [kKeyBlock][widths.keys()]
  std::int16_t* pair;     // [2][widths.values]: two values, if they are not
  unsigned char* values;  // [chunk of columns][kChunkBytes]: [pair of keys][vector]
};

inline bool values_are_keys(const AttentionBlock& block) { return block.values.data == block.keys.data; }

inline Scratch scratch_of(const AttentionBlock& block, const Widths& widths) {
  const std::size_t rows = scores_floats(block.rows);
  float* scores = static_cast<float*>(block.scratch);
  std::int16_t* weights = reinterpret_cast<std::int16_t*>(scores + rows);
  float* scales = reinterpret_cast<float*>(weights + rows);
  std::int16_t* keys = reinterpret_cast<std::int16_t*>(scales + 3 * kKeyBlock);
  std::int16_t* pair = keys + size(kKeyBlock) * size(widths.keys());
  return {scores,
          weights,
          scales,
          scales + kKeyBlock,
          values_are_keys(block) ? scales : scales + 2 * kKeyBlock,
          keys,
          pair,
          reinterpret_cast<unsigned char*>(pair + 2 * widths.values)};
}

std::size_t query_bytes(const AttentionWidths& w, int rows) {
  return integers_bytes(widths_of(w), rows) + 2 * size(vectors_for(rows)) * sizeof(Vec);
}

std::size_t scratch_bytes(const AttentionWidths& w, int rows) {
  const Widths widths = widths_of(w);
  return scores_floats(rows) * (sizeof(float) + sizeof(std::int16_t)) + 3 * kKeyBlock * sizeof(float) +
         (size(kKeyBlock) * size(widths.keys()) + 2 * size(widths.values)) * sizeof(std::int16_t) +
         size(widths.values / kChunk) * kChunkBytes;
}

// Ints of one part of a query, eight columns at a time `step` integers apart; its scale is returned, NaN if a value
// is not finite.
float pack_part(const float* x, int width, int padded, float limit, float factor, std::int16_t* out, int step) {
  const auto fetch = [&](int i) {
    if (i + kLanes <= width) return load(x + i);
    float rest[kLanes] = {};
    if (i < width) __builtin_memcpy(rest, x + i, size(width - i) * sizeof(float));
    return load(rest);
  };
  Vec max = {}, zeros = {};
  for (int i = 0; i < padded; i += kLanes) {
    const Vec v = fetch(i), magnitude = v < 0.0f ? -v : v;
    max = magnitude > max ? magnitude : max;
    zeros += v * 0.0f;
  }
  const float largest = first_lane_max(max);
  const float inverse = largest > 0x1p-100f ? limit / largest : 0.0f;
  for (int i = 0; i < padded; i += kLanes) {
    std::int16_t integers[kLanes];
    store_narrow(integers, to_integers(fetch(i) * inverse));
    for (int k = 0; k < kLanes; k += 8) __builtin_memcpy(out + (i + k) / 8 * step, integers + k, 16);
  }
  return largest * factor / limit + sum_of(zeros);
}

void pack_query(const float* first, int first_width, const float* second, int second_width, float factor, int row,
                int rows, void* packed) {
  const Widths widths = widths_of({first_width, second_width, first_width});
  const int lane = row % kRowsPerVector, step = kRowsPerVector * 8;
  std::int16_t* base = static_cast<std::int16_t*>(packed) + size(row - lane) * size(widths.keys()) + lane * 8;
  void* scales = static_cast<unsigned char*>(packed) + integers_bytes(widths, rows);
  float* first_scales = static_cast<float*>(scales) + row * 4;
  float* rope_scales = first_scales + vectors_for(rows) * kLanes;
  const float first_scale = pack_part(first, first_width, widths.first, widths.first_limit, factor, base, step);
  const float rope_scale = pack_part(second, second_width, widths.rope, widths.rope_limit, factor,
                                     base + size(widths.first) * kRowsPerVector, step);
  for (int i = 0; i < 4; ++i) {
    first_scales[i] = first_scale;
    rope_scales[i] = rope_scale;
  }
  if (row != rows - 1) return;
  for (int empty = 1; lane + empty < kRowsPerVector; ++empty) {
    for (int i = 0; i < widths.keys(); ++i) base[empty * 8 + i / 8 * step + i % 8] = 0;
    for (int i = 0; i < 4; ++i) first_scales[empty * 4 + i] = rope_scales[empty * 4 + i] = 0.0f;
  }
}

// A part of a row of bfloat16 as integers, padded with zeros; its scale is returned.
inline float quantize_part(const unsigned char* row, int width, int padded, float limit, std::int16_t* out) {
  const int whole = width / kColumns * kColumns;
  std::int16_t rest[kColumns] = {};
  if (whole < width) __builtin_memcpy(rest, row + whole * 2, size(width - whole) * 2);
  Ints max = max_magnitude(zero_ints(), load_ints(rest));
  for (int i = 0; i < whole; i += kColumns) max = max_magnitude(max, load_ints(row + i * 2));
  const std::uint32_t bits = largest_of(max) << 16;
  float largest;
  __builtin_memcpy(&largest, &bits, sizeof largest);

  // Rows so small that 1 / largest would overflow count as zeros.
  const float inverse = largest > 0x1p-100f ? limit / largest : 0.0f;
  const auto quantize = [&](Ints halves) {
    const Vec low = as_floats(unpack_low(zero_ints(), halves)), high = as_floats(unpack_high(zero_ints(), halves));
    return narrow(to_integers(low * inverse), to_integers(high * inverse));
  };
  for (int i = 0; i < whole; i += kColumns) store_ints(out + i, quantize(load_ints(row + i * 2)));
  if (whole < padded) store_ints(out + whole, quantize(load_ints(rest)));
  for (int i = whole + kColumns; i < padded; i += kColumns) store_ints(out + i, zero_ints());
  return bits < 0x7f800000 ? largest / limit : __builtin_nanf("");
}

inline void quantize_key(const AttentionBlock& block, const Widths& widths, const Scratch& s, int key) {
  const int first = block.widths.first;
  const unsigned char* row = row_at(block.keys, key);
  std::int16_t* out = s.keys + size(key) * size(widths.keys());
  s.first_scales[key] = quantize_part(row, first, widths.first, widths.first_limit, out);
  s.rope_scales[key] =
      quantize_part(row + first * 2, block.widths.rope, widths.rope, widths.rope_limit, out + widths.first);
}

inline void zero_key(const Widths& widths, const Scratch& s, int key) {
  std::int16_t* out = s.keys + size(key) * size(widths.keys());
  for (int i = 0; i < widths.keys(); ++i) out[i] = 0;
}

// Where the integers of the key's value are.
inline std::int16_t* value_at(const AttentionBlock& block, const Widths& widths, const Scratch& s, int key) {
  return values_are_keys(block) ? s.keys + size(key) * size(widths.keys()) : s.pair + key % 2 * widths.values;
}

// Values that are not the keys' first part; zeros behind the last one.
inline void quantize_value(const AttentionBlock& block, const Widths& widths, const Scratch& s, int key) {
  std::int16_t* out = value_at(block, widths, s, key);
  if (key < block.count) {
    s.value_scales[key] =
        quantize_part(row_at(block.values, key), block.widths.values, widths.values, widths.value_limit, out);
  } else {
    for (int i = 0; i < widths.values; ++i) out[i] = 0;
  }
}

inline void interleave_values(const AttentionBlock& block, const Widths& widths, const Scratch& s, int key) {
  const std::int16_t *first = value_at(block, widths, s, key), *second = value_at(block, widths, s, key + 1);
  unsigned char* pair = s.values + size(key / 2) * kPairBytes;
  for (int column = 0; column < widths.values; column += kChunk, pair += kChunkBytes) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v += 2) {
      const Ints a = load_ints(first + column + v * kLanes), b = load_ints(second + column + v * kLanes);
      store_ints(pair + size(v) * sizeof(Ints), unpack_low(a, b));
      store_ints(pair + size(v + 1) * sizeof(Ints), unpack_high(a, b));
    }
  }
}

// A tile of keys as integers in rows for the scores, and their values with those of neighbours interleaved. Zeros behind
// the last key.
void quantize_tile(const AttentionBlock& block, const Widths& widths, const Scratch& s, int key) {
  for (int k = key; k < key + kTileKeys; ++k) {
    if (k < block.count) {
      quantize_key(block, widths, s, k);
    } else {
      zero_key(widths, s, k);
    }
    if (!values_are_keys(block)) quantize_value(block, widths, s, k);
    if (k % 2 == 1) interleave_values(block, widths, s, k - 1);
  }
}

// Memory that is fetched into the cache while something is computed: `step` bytes at each step.
struct Ahead {
  const unsigned char* at;
  std::size_t step;
};

// N vectors of query rows times a tile of keys, over `columns` columns.
template <int N>
inline void multiply_tile(const std::int16_t* queries, std::size_t query_stride, const std::int16_t* keys,
                          std::size_t key_stride, int columns, Ahead& ahead, IntVec (&sum)[N][kTileKeys]) {
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 8
    for (int j = 0; j < kTileKeys; ++j) sum[n][j] = IntVec{};
  }
  const unsigned char* fetched = ahead.at;
  const std::size_t fetch_step = ahead.step;
  ahead.at += fetch_step * size(columns / 8);
  for (int column = 0; column < columns; column += 8) {
    __builtin_prefetch(fetched);
    fetched += fetch_step;
    Ints q[N];
    for (int n = 0; n < N; ++n) q[n] = load_ints(queries + size(n) * query_stride + size(column) * kRowsPerVector);
    for (int j = 0; j < kTileKeys; ++j) {
      const Ints k = broadcast_row(keys + size(j) * key_stride + column);
      for (int n = 0; n < N; ++n) sum[n][j] = multiply_add(sum[n][j], q[n], k);
    }
  }
}

// The sums of four keys for each row, as floats: four lanes together may exceed 32 bits.
inline Vec quad_of(const IntVec* sum) {
  const Vec four[4] = {to_floats(sum[0]), to_floats(sum[1]), to_floats(sum[2]), to_floats(sum[3])};
  return sum_quads(four);
}

template <int N>
inline void score_tile(const PackedQueries& q, const Widths& widths, int first, int key, Ahead& ahead,
                       const Scratch& s) {
  const std::int16_t* queries = q.values + size(first * kRowsPerVector) * size(widths.keys());
  const std::size_t query_stride = size(kRowsPerVector) * size(widths.keys()), key_stride = size(widths.keys());
  const std::int16_t* keys = s.keys + size(key) * key_stride;
  IntVec sum[N][kTileKeys];
  Vec scores[N][kTileKeys / 4];
  multiply_tile<N>(queries, query_stride, keys, key_stride, widths.first, ahead, sum);
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileKeys; j += 4) {
      scores[n][j / 4] = quad_of(sum[n] + j) *
                         (load(q.first_scales + (first + n) * kLanes) * broadcast_quad(s.first_scales + key + j));
    }
  }
  if (widths.rope > 0) {
    multiply_tile<N>(queries + size(widths.first) * kRowsPerVector, query_stride, keys + widths.first, key_stride,
                     widths.rope, ahead, sum);
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
      for (int j = 0; j < kTileKeys; j += 4) {
        scores[n][j / 4] += quad_of(sum[n] + j) *
                            (load(q.rope_scales + (first + n) * kLanes) * broadcast_quad(s.rope_scales + key + j));
      }
    }
  }
#pragma GCC unroll 4
  for (int n = 0; n < N; ++n) {
#pragma GCC unroll 2
    for (int j = 0; j < kTileKeys; j += 4) {
      for (int r = 0; r < kRowsPerVector; ++r) {
        __builtin_memcpy(s.scores + size((first + n) * kRowsPerVector + r) * kKeyBlock + key + j,
                         reinterpret_cast<const char*>(&scores[n][j / 4]) + r * 16, 16);
      }
    }
  }
}

// A few keys are made integers and meet all query rows before the next few, which are fetched meanwhile, evenly so that
// the memory has the whole time for it.
void score(const AttentionBlock& block, const Widths& widths, const PackedQueries& q, const Scratch& s) {
  for (int key = block.count; key < kKeyBlock; ++key)
    s.first_scales[key] = s.rope_scales[key] = s.value_scales[key] = 0.0f;
  const int vectors = vectors_for(block.rows), tiles = (vectors + kScoreTile16 - 1) / kScoreTile16;
  const std::size_t tile_bytes = kTileKeys * block.keys.stride * 2 / size(tiles);
  Ahead ahead{nullptr, tile_bytes / size(widths.keys() / 8)};
  for (int begin = 0; begin < block.count; begin += kFewKeys) {
    const int end = begin + kFewKeys < block.count ? begin + kFewKeys : block.count;
    for (int key = begin; key < end; key += kTileKeys) quantize_tile(block, widths, s, key);
    ahead.at = row_at(block.keys, end);
    for_tiles<kScoreTile16>(vectors, [&]<int N>(int first) {
      for (int key = begin; key < end; key += kTileKeys) score_tile<N>(q, widths, first, key, ahead, s);
    });
  }
}

// The weights of a row, each times its value's scale, as integers; returned is what one of them is worth.
float quantize_weights(float* weights, const float* value_scales, float most_in_sum, int count, std::int16_t* out) {
  Vec max = {}, total = {};
  for (int i = 0; i < kKeyBlock; i += kLanes) {
    if (i >= count) break;
    const Vec scaled = load(weights + i) * load(value_scales + i);
    store(weights + i, scaled);
    max = scaled > max ? scaled : max;
    total += scaled;
  }
  const float by_sum = sum_of(total) / most_in_sum, by_max = first_lane_max(max) / kMostInWeight;
  const float unit = by_max > by_sum ? by_max : by_sum;  // NaN stays
  const float inverse = unit > 0x1p-120f ? 1.0f / unit : 0.0f;
  for (int i = 0; i < kKeyBlock; i += kLanes) {
    store_narrow(out + i, i < count ? to_integers(load(weights + i) * inverse) : zero_ints());
  }
  return unit;
}

// M query rows: weights · values for one chunk of columns.
template <int M>
inline void value_tile(const std::int16_t* weights, const float* units, const unsigned char* panel, int pairs,
                       float* out, std::size_t out_row) {
  IntVec sum[M][kVectors];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sum[m][v] = IntVec{};
  }
  for (int pair = 0; pair < pairs; ++pair, panel += kPairBytes) {
    Ints value[kVectors];
    for (int v = 0; v < kVectors; ++v) value[v] = load_ints(panel + size(v) * sizeof(Ints));
    for (int m = 0; m < M; ++m) {
      int both;
      __builtin_memcpy(&both, weights + m * kKeyBlock + pair * 2, sizeof both);
      const Ints weight = broadcast_pair(both);
      for (int v = 0; v < kVectors; ++v) sum[m][v] = multiply_add(sum[m][v], weight, value[v]);
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; v += 2) {
      store_in_order(out + size(m) * out_row + v * kLanes, to_floats(sum[m][v]) * units[m],
                     to_floats(sum[m][v + 1]) * units[m]);
    }
  }
}

void weigh_values(const AttentionBlock& block, const Widths& widths, const float* units, const Scratch& s) {
  const std::size_t out_row = out_stride(block.values.width);
  for (int chunk = 0; chunk * kChunk < widths.values; ++chunk) {
    for_tiles<kValueRows>(block.rows, [&]<int M>(int row) {
      value_tile<M>(s.weights + row * kKeyBlock, units + row, s.values + size(chunk) * kChunkBytes,
                    (block.count + 1) / 2, block.result.out + size(row) * out_row + chunk * kChunk, out_row);
    });
  }
}

void attend(const AttentionBlock& block) {
  const Widths widths = widths_of(block.widths);
  const Scratch s = scratch_of(block, widths);
  score(block, widths, queries_of(block, widths), s);
  float units[kMaxQueryRows];
  const float most_in_sum = 2147483000.0f / widths.value_limit - kKeyBlock;
  for (int row = 0; row < block.rows; ++row) {
    float* scores = s.scores + row * kKeyBlock;
    softmax_row(scores, block.visible[row], block.result.max + row, block.result.sum + row,
                [](Vec weight) { return weight; });
    units[row] = quantize_weights(scores, s.value_scales, most_in_sum, block.count, s.weights + row * kKeyBlock);
  }
  weigh_values(block, widths, units, s);
}

}  // namespace i16
}  // namespace

extern const AttentionKernel kFastAttention;
const AttentionKernel kFastAttention = {
    GLIMT_ISA_NAME,     "i16",           false,       false, 1,        out_stride, i16::query_bytes,
    i16::scratch_bytes, i16::pack_query, i16::attend, merge, expand_q8};

}  // namespace glimt::cpu::GLIMT_ISA
