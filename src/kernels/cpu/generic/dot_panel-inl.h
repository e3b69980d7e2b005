// Integer products, many activation rows: bound by arithmetic. kGroupLanes weight rows are transposed into a panel once
// for all activation rows: a vector then holds a word of each weight row and meets the same word of an activation row,
// which is spread over its lanes. A group's sum needs no shuffles, and scales are applied once a group. The words of a
// tile's activation rows lie side by side (Isa::interleave_rows): rows of 2048 bytes would compete for the same lines
// of the cache.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx2.h"
#endif
#include "kernels/cpu/generic/dot_stream-inl.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

// In the scratch memory: [row_bytes / 4][kGroupLanes] words as stored, then scales and biases [groups][kGroupLanes].
struct Panel {
  unsigned char* words;
  float *scales, *biases;

  Panel(void* scratch, const IntegerWeights& w)
      : words(static_cast<unsigned char*>(scratch)),
        scales(reinterpret_cast<float*>(words + padded_columns(w.columns, w.group) * kGroupLanes)),
        biases(scales + padded_groups(w.columns, w.group) * kGroupLanes) {}
};

// Rows of 32-bit words to out[word][row], `count` <= kGroupLanes rows, `bytes` (a multiple of 4) of each. `row(i)`
// points to row i.
template <typename RowAt>
inline void transpose_rows(RowAt row, int count, std::size_t bytes, void* out) {
  constexpr int kVector = sizeof(Ints);
  const std::size_t step = static_cast<std::size_t>(count) * sizeof(float);
  auto* to = static_cast<unsigned char*>(out);
  for (std::size_t at = 0; at < bytes; at += kVector) {
    const int left = bytes - at < kVector ? static_cast<int>(bytes - at) : kVector;
    Ints tile[kGroupLanes];
    for (int i = 0; i < kGroupLanes; ++i) tile[i] = i < count ? load_words(row(i) + at, left) : zero_ints();
    transpose(tile);
    for (int i = 0; i < kGroupLanes && 4 * i < left; ++i, to += step) {
      if (count == kGroupLanes) {
        store_ints(to, tile[i]);
      } else {
        store_floats(reinterpret_cast<float*>(to), floats_of(tile[i]), count);
      }
    }
  }
}

void interleave_rows(const void* const* rows, int count, std::size_t words, void* out) {
  transpose_rows([&](int i) { return static_cast<const unsigned char*>(rows[i]); }, count, words * sizeof(float), out);
}

template <bool Bf16>
inline void pack_groups(const void* stored, std::size_t stride, int groups, int first, int rows, float* out) {
  const std::size_t row_bytes = stride * (Bf16 ? sizeof(std::uint16_t) : sizeof(float));
  const auto* from = static_cast<const unsigned char*>(stored) + static_cast<std::size_t>(first) * row_bytes;
  for (int group = 0; group < groups; group += kGroupLanes) {
    Ints tile[kGroupLanes];
    for (int i = 0; i < kGroupLanes; ++i) {
      const std::size_t row = i < rows ? static_cast<std::size_t>(i) : 0;
      tile[i] = bits_of(load_groups<Bf16>(from + row * row_bytes, group, groups - group));
    }
    transpose(tile);
    for (int i = 0; i < kGroupLanes && group + i < groups; ++i) store_ints(out + (group + i) * kGroupLanes, tile[i]);
  }
}

// Weight rows first .. first + rows; behind them copies of the first, whose results are not stored.
template <bool Bf16>
inline void pack(const IntegerWeights& w, int first, int rows, const Panel& panel) {
  const int groups = w.columns / w.group;
  const unsigned char* values = w.values + static_cast<std::size_t>(first) * w.row_bytes;
  transpose_rows([&](int i) { return values + (i < rows ? static_cast<std::size_t>(i) * w.row_bytes : 0); },
                 kGroupLanes, w.row_bytes, panel.words);
  if constexpr (Bf16) {
    pack_groups<true>(w.bf16_scales, static_cast<std::size_t>(groups), groups, first, rows, panel.scales);
    pack_groups<true>(w.bf16_biases, static_cast<std::size_t>(groups), groups, first, rows, panel.biases);
  } else {
    pack_groups<false>(w.scales, w.group_stride, groups, first, rows, panel.scales);
    pack_groups<false>(w.biases, w.group_stride, groups, first, rows, panel.biases);
  }
}

// R activation rows against a panel.
template <int Bits, bool E2m1, int Group, int R>
struct PanelTile {
  const Panel& panel;
  IntegerRows x;  // the tile
  int groups;
  const unsigned char* ahead;  // as many bytes as the panel's words are read ahead while it is computed

  template <typename T>
  static GLIMT_INLINE void fill(T (&values)[R], T with) {
    GLIMT_UNROLL(16)
    for (int i = 0; i < R; ++i) values[i] = with;
  }

  // Adds the products of `Words` words of the weights from `word` on.
  template <int Pass, int Words>
  GLIMT_INLINE void sum_words(int word, const std::int8_t* values, Ints (&sums)[R]) const {
    constexpr int kFour = 4 * R;  // bytes of a word of all rows
    PanelSum sum[R];
    fill(sum, zero_ints());
    GLIMT_UNROLL(16)
    for (int i = 0; i < Words; ++i) {
      const std::ptrdiff_t at = (word + i) * static_cast<std::ptrdiff_t>(sizeof(Ints));
      if (Pass == 0 && (sizeof(Ints) == 64 || i % 2 == 0)) __builtin_prefetch(ahead + at, 0, 2);
      const Ints stored = load_ints(panel.words + at);
      const Ints first = panel_codes<Bits, E2m1, Pass>(stored);
      GLIMT_UNROLL(16)
      for (int r = 0; r < R; ++r) sum[r] = panel_step(sum[r], first, values + i * kFour + 4 * r);
      if constexpr (Bits == 4) {
        const Ints second = panel_codes<Bits, E2m1, 1>(stored);
        GLIMT_UNROLL(16)
        for (int r = 0; r < R; ++r)
          sum[r] = panel_step(sum[r], second, values + (kBlockColumns / 8 + i) * kFour + 4 * r);
      }
    }
    GLIMT_UNROLL(16)
    for (int r = 0; r < R; ++r) sums[r] = add_ints(sums[r], to_ints<Pass>(sum[r]));
  }

  // The sums of one group.
  GLIMT_INLINE void sum_group(int g, Ints (&sums)[R]) const {
    constexpr int kWords = Group * Bits / 32;
    constexpr int kAtOnce = words_at_once<Bits, E2m1>() < kWords ? words_at_once<Bits, E2m1>() : kWords;
    const std::int8_t* values = x.values + columns_at<Bits>(g * Group) * R;
    fill(sums, zero_ints());
    for (int word = 0; word < kWords; word += kAtOnce) {
      sum_words<0, kAtOnce>(g * kWords + word, values + word * 4 * R, sums);
      if constexpr (Bits == 8 && kBytePasses == 2)
        sum_words<1, kAtOnce>(g * kWords + word, values + word * 4 * R, sums);
    }
  }

  // lanes = lane[l] of the definition.
  GLIMT_INLINE void sum_lane(int l, Floats (&lanes)[R]) const {
    fill(lanes, zero_floats());
    for (int g = l; g < groups; g += kGroupLanes) {
      Ints sums[R];
      sum_group(g, sums);
      const Floats scale = load_floats(panel.scales + g * kGroupLanes),
                   bias = load_floats(panel.biases + g * kGroupLanes);
      const float *x_scales = x.scales + g * R, *x_sums = x.sums + g * R;
      GLIMT_UNROLL(16)
      for (int r = 0; r < R; ++r) {
        const Floats sum = multiply_add(bias, spread(x_sums + r), lanes[r]);
        lanes[r] = multiply_add(to_floats(sums[r]), multiply(scale, spread(x_scales + r)), sum);
      }
    }
  }

  static GLIMT_INLINE void add_left(const Floats (&left)[R], Floats (&lanes)[R]) {
    GLIMT_UNROLL(16)
    for (int r = 0; r < R; ++r) lanes[r] = add(left[r], lanes[r]);
  }

  // The tree over the lanes, from left to right, so that the hardware reads the panel ahead. A lane is added to the
  // sums of the subtrees that it completes while it is in registers. Lanes without a group are left out.
  void sum(Floats (&total)[R]) const {
    Floats subtree[5][R];  // [level]: the sum of 2^level lanes that waits for its right neighbour
    static_assert(kGroupLanes <= 16);
    const int count = groups < kGroupLanes ? groups : kGroupLanes;
    Floats lanes[R];
    fill(lanes, zero_floats());
    for (int l = 0; l < count; ++l) {
      sum_lane(l, lanes);
      int level = 0;
      for (; (l >> level & 1) != 0; ++level) add_left(subtree[level], lanes);
      GLIMT_UNROLL(16)
      for (int r = 0; r < R; ++r) subtree[level][r] = lanes[r];
    }
    // `lanes` is the subtree of the lowest bit of the count; those of the higher bits are at its left.
    for (int level = 0, left = count & (count - 1); left >> level != 0; ++level) {
      if ((left >> level & 1) != 0) add_left(subtree[level], lanes);
    }
    GLIMT_UNROLL(16)
    for (int r = 0; r < R; ++r) total[r] = lanes[r];
  }
};

// The lowest tile: one row more than few, or half of the highest and one less.
constexpr int kLowestTile = kTileRows / 2 < kFewRows + 1 ? kTileRows / 2 : kFewRows + 1;

// A tile of `height` rows, at most R.
template <int Bits, bool E2m1, int Group, int R>
inline void panel_tile(int height, const Panel& panel, const IntegerWeights& w, int first, int rows,
                       const IntegerRows& x, float* const* y, const unsigned char* ahead) {
  if (R > kLowestTile && height < R) {
    return panel_tile<Bits, E2m1, Group, (R > kLowestTile ? R - 1 : R)>(height, panel, w, first, rows, x, y, ahead);
  }
  const PanelTile<Bits, E2m1, Group, R> tile{panel, x, w.columns / w.group, ahead};
  Floats lanes[R];
  tile.sum(lanes);
  for (int r = 0; r < R; ++r) {
    // + 0: what the lanes without a group would add; only a -0 feels it.
    store_floats(y[r] + first, add(lanes[r], zero_floats()), rows);
  }
}

// Into the second-level cache: a panel is read as many short streams, which the hardware does not foresee.
inline void prefetch_panel(const unsigned char* rows, std::size_t bytes) {
  for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(rows + at, 0, 2);
}

template <int Bits, bool E2m1, bool Bf16, int Group>
inline void many_rows(const IntegerWeights& w, int rows_w, const IntegerRows& x, int rows_x, float* const* y,
                      void* scratch) {
  const Panel panel(scratch, w);
  const std::size_t panel_bytes = kGroupLanes * w.row_bytes;
  const int tiles = tile_count(rows_x, kTileRows);
  prefetch_panel(w.values, panel_bytes);
  for (int first = 0; first < rows_w; first += kGroupLanes) {
    const int rows = rows_w - first < kGroupLanes ? rows_w - first : kGroupLanes;
    pack<Bf16>(w, first, rows, panel);
    const unsigned char* ahead = w.values + static_cast<std::size_t>(first) * w.row_bytes + panel_bytes;
    for (int t = 0, c = 0; t < tiles; ++t) {
      const int height = tile_height(rows_x, tiles, t);
      panel_tile<Bits, E2m1, Group, kTileRows>(height, panel, w, first, rows, x.from(static_cast<std::size_t>(c)),
                                               y + c, t == 0 ? ahead : panel.words);
      c += height;
    }
  }
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
