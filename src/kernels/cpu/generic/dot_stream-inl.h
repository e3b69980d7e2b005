// Integer products, few activation rows: bound by memory. A vector runs along a weight row. The vectors of kGroupLanes
// groups (a chunk) are merged into one that has a group's sum in each lane: one conversion and one product of scales
// for all.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/avx2.h"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

// Where in a row quantize_row has put the columns from `column` on, the first one of a group or a block.
template <int Bits>
constexpr int columns_at(int column) {
  return Bits == 8 ? column : column / kBlockColumns * kBlockColumns + column % kBlockColumns / 2;
}

template <int C>
struct Sums {
  Ints of[C];
};

// The sums of two times Span / 2 blocks of 4-bit or 8-bit codes become one vector: of a group that lies in several
// blocks first, then within the quarters of vectors, then of whole quarters. Integers: the order does not matter.
template <int Bits, bool E2m1, int GroupLanes, int Span>
GLIMT_INLINE Ints merge(Ints a, Ints b) {
  constexpr int kBlocks = GroupLanes > kGroupLanes ? GroupLanes / kGroupLanes : 1;  // of a group
  constexpr int kMost = CodeBlock<Bits, E2m1>::kLaneColumns * (Bits == 8 ? 255 : E2m1 ? 24 : 15) * 127 * (Span / 2);
  if constexpr (Span <= kBlocks) return add_ints(a, b);
  if constexpr (Span > 4 * kBlocks) return part_pairs(a, b);
  if constexpr (kMost <= 32767) return short_pairs(a, b);
  return lane_pairs(a, b);
}

// Blocks First .. First + Span of the chunk at `codes`. A group has GroupLanes lanes, in one block or in several. Those
// from block `Blocks` on are not the weight row's. Unless it is Inside, memory ends after `bytes`; what the chunk has
// behind the row otherwise is multiplied with zeros.
template <int Bits, bool E2m1, int GroupLanes, int Blocks, bool Inside, int First, int Span, int C>
GLIMT_INLINE Sums<C> sum_blocks(const unsigned char* codes, int bytes, const std::int8_t* const (&x)[C]) {
  using B = CodeBlock<Bits, E2m1>;
  Sums<C> sums;
  if constexpr (Span == 1) {
    const unsigned char* at = codes + First * B::kBytes;
    const B block = Inside ? B::load(at) : B::load(at, bytes - First * B::kBytes);
    GLIMT_UNROLL(4)
    for (int j = 0; j < C; ++j) sums.of[j] = block.dot(x[j] + columns_at<Bits>(First * B::kColumns));
  } else {
    constexpr int kMiddle = First + Span / 2;
    const Sums<C> a = sum_blocks<Bits, E2m1, GroupLanes, Blocks, Inside, First, Span / 2, C>(codes, bytes, x);
    Sums<C> b;
    if (kMiddle < Blocks && (Inside || bytes > kMiddle * B::kBytes)) {
      b = sum_blocks<Bits, E2m1, GroupLanes, Blocks, Inside, kMiddle, Span / 2, C>(codes, bytes, x);
    } else {
      for (int j = 0; j < C; ++j) b.of[j] = zero_ints();
    }
    GLIMT_UNROLL(4)
    for (int j = 0; j < C; ++j) sums.of[j] = merge<Bits, E2m1, GroupLanes, Span>(a.of[j], b.of[j]);
  }
  return sums;
}

// The chunk of C activation rows.
template <int C>
struct ChunkOfX {
  const std::int8_t* values[C];
  const float *scales[C], *sums[C];

  ChunkOfX() = default;
  explicit ChunkOfX(const IntegerRows& x) {
    for (int j = 0; j < C; ++j) {
      const IntegerRows row = x.from(static_cast<std::size_t>(j));
      values[j] = row.values;
      scales[j] = row.scales;
      sums[j] = row.sums;
    }
  }
  void next(std::size_t columns) {
    GLIMT_UNROLL(4)
    for (int j = 0; j < C; ++j) {
      values[j] += columns;
      scales[j] += kGroupLanes;
      sums[j] += kGroupLanes;
    }
  }
};

// The chunk of a weight row.
template <bool Bf16>
struct ChunkOfW {
  const unsigned char* codes;
  const unsigned char *scales, *biases;

  ChunkOfW(const IntegerWeights& w, std::size_t row) : codes(w.values + row * w.row_bytes) {
    const std::size_t of_row =
        row * (Bf16 ? static_cast<std::size_t>(w.columns / w.group) : w.group_stride) * kScaleBytes;
    const void *first_scale = w.scales, *first_bias = w.biases;
    if constexpr (Bf16) {
      first_scale = w.bf16_scales;
      first_bias = w.bf16_biases;
    }
    scales = static_cast<const unsigned char*>(first_scale) + of_row;
    biases = static_cast<const unsigned char*>(first_bias) + of_row;
  }
  void next(std::size_t bytes) {
    codes += bytes;
    scales += kGroupLanes * kScaleBytes;
    biases += kGroupLanes * kScaleBytes;
  }

 private:
  static constexpr std::size_t kScaleBytes = Bf16 ? sizeof(std::uint16_t) : sizeof(float);
};

// The weight rows are one stream from memory. The hardware's own prefetching ends at the 4 KiB pages of a mapped file:
// lines of the next page are fetched into the second-level cache, and a page further on is touched once, so that its
// translation is known in time. Every second line for one of the C activation rows: the hardware fetches its neighbour.
// It does not when more of them leave it more time; docs/PERFORMANCE.md has the numbers.
constexpr int kPage = 4096;
constexpr int kPagesAhead = 4;
template <int C>
inline void fetch_ahead(const unsigned char* codes, int bytes) {
  constexpr int kStep = C <= 1 ? 128 : 64;
  for (int line = 0; line < bytes; line += kStep) __builtin_prefetch(codes + kPage + line, 0, 2);
  if (reinterpret_cast<std::uintptr_t>(codes) % kPage < static_cast<std::uintptr_t>(bytes)) {
    __builtin_prefetch(codes + kPagesAhead * kPage, 0, 2);
  }
}

// A chunk of a weight row, `left` groups of it: onto the lanes of C activation rows.
template <int Bits, bool E2m1, bool Bf16, int GroupLanes, int Blocks, bool Inside, int C>
GLIMT_INLINE void add_chunk(const ChunkOfW<Bf16>& w, const ChunkOfX<C>& x, int left, Floats (&lanes)[C]) {
  using B = CodeBlock<Bits, E2m1>;
  fetch_ahead<C>(w.codes, Blocks * B::kBytes);
  const Floats scale = load_groups<Bf16>(w.scales, 0, left), bias = load_groups<Bf16>(w.biases, 0, left);
  const int bytes = left * GroupLanes * B::kBytes / kGroupLanes;
  const Sums<C> sums = sum_blocks<Bits, E2m1, GroupLanes, Blocks, Inside, 0, GroupLanes, C>(w.codes, bytes, x.values);
  GLIMT_UNROLL(4)
  for (int j = 0; j < C; ++j) {
    const Floats sum = multiply_add(bias, load_floats(x.sums[j]), lanes[j]);
    lanes[j] =
        multiply_add(to_floats(in_order<GroupLanes>(sums.of[j])), multiply(scale, load_floats(x.scales[j])), sum);
  }
}

// The last chunk of a row, of which it has `left` groups, less than all: their blocks, in quarters of a chunk.
// `inside`: there is as much memory.
template <int Bits, bool E2m1, bool Bf16, int GroupLanes, int C>
GLIMT_INLINE void add_rest(const ChunkOfW<Bf16>& w, const ChunkOfX<C>& x, int left, bool inside, Floats (&lanes)[C]) {
  if (!inside) {
    add_chunk<Bits, E2m1, Bf16, GroupLanes, GroupLanes, false, C>(w, x, left, lanes);
  } else if constexpr (GroupLanes < 4) {
    add_chunk<Bits, E2m1, Bf16, GroupLanes, GroupLanes, true, C>(w, x, left, lanes);
  } else {
    constexpr int kQuarter = GroupLanes / 4;
    const int quarters = (left + kGroupLanes / 4 - 1) / (kGroupLanes / 4);
    if (quarters == 1) return add_chunk<Bits, E2m1, Bf16, GroupLanes, kQuarter, true, C>(w, x, left, lanes);
    if (quarters == 2) return add_chunk<Bits, E2m1, Bf16, GroupLanes, 2 * kQuarter, true, C>(w, x, left, lanes);
    if (quarters == 3) return add_chunk<Bits, E2m1, Bf16, GroupLanes, 3 * kQuarter, true, C>(w, x, left, lanes);
    add_chunk<Bits, E2m1, Bf16, GroupLanes, GroupLanes, true, C>(w, x, left, lanes);
  }
}

// C activation rows against weight rows r .. r + Rows of `rows_w`: the lanes of all, which total_all adds up.
template <int Bits, bool E2m1, bool Bf16, int GroupLanes, int Rows, int C>
inline void stream_rows(const IntegerWeights& w, int rows_w, int r, const IntegerRows& x, float* const* y) {
  constexpr std::size_t kChunkBytes = GroupLanes * CodeBlock<Bits, E2m1>::kBytes,
                        kChunkColumns = kChunkBytes * 8 / Bits;
  const int groups = w.columns / w.group, chunks = groups / kGroupLanes, left = groups % kGroupLanes;
  const unsigned char* end = w.values + static_cast<std::size_t>(rows_w) * w.row_bytes;
  const ChunkOfX<C> first(x);
  Floats lanes[Rows][C];
  for (int i = 0; i < Rows; ++i) {
    Floats own[C] = {};
    ChunkOfX<C> of_x = first;
    ChunkOfW<Bf16> of_w(w, static_cast<std::size_t>(r) + static_cast<std::size_t>(i));
    for (int chunk = 0; chunk < chunks; ++chunk) {
      add_chunk<Bits, E2m1, Bf16, GroupLanes, GroupLanes, true, C>(of_w, of_x, kGroupLanes, own);
      of_x.next(kChunkColumns);
      of_w.next(kChunkBytes);
    }
    if (left > 0) {
      const bool inside = static_cast<std::size_t>(end - of_w.codes) >= kChunkBytes;
      add_rest<Bits, E2m1, Bf16, GroupLanes, C>(of_w, of_x, left, inside, own);
    }
    for (int j = 0; j < C; ++j) lanes[i][j] = own[j];
  }
  for (int j = 0; j < C; ++j) {
    if constexpr (Rows == kGroupLanes) {
      Floats column[kGroupLanes];
      for (int i = 0; i < kGroupLanes; ++i) column[i] = lanes[i][j];
      store_floats(y[j] + r, total_all(column), kGroupLanes);
    } else {
      y[j][r] = total(lanes[0][j]);
    }
  }
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
