// Eight lanes of AVX2 with FMA and F16C.
//
// Integer products, 4 bits: 32 bytes of a weight row are a block of 64 columns; vpmaddubsw multiplies the codes (at
// most 24) with the activations and adds pairs in 16 bits, vpmaddwd brings pairs of these to 32 bits. 8 bits:
// vpmaddubsw would saturate, so both sides are widened to 16 bits: a block of 32 columns.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#define GLIMT_ISA avx2
#define GLIMT_ISA_NAME "avx2"
#pragma GCC target("avx2,fma,f16c")
#endif

#include <immintrin.h>

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr int kLanes = 8;

// Results that are kept in registers at once: activation rows times weight rows of a product of floats; of attention,
// query vectors against four keys in float32, and against kKeyTile keys in 16 bits, and query rows times vectors of
// output columns.
constexpr int kTileX = 2, kTileW = 4;
constexpr int kScoreTile = 2;
constexpr int kScoreTile16 = 2, kKeyTile = 4;
constexpr int kValueRows = 5, kValueTile = 2;

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA

#include "kernels/cpu/vector/lanes.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

inline Vec broadcast_quad(const float* p) { return _mm256_broadcast_ps(reinterpret_cast<const __m128*>(p)); }

inline void store_bytes(std::int8_t* p, IntVec v) {
  const __m256i words = _mm256_packs_epi32(reinterpret_cast<__m256i>(v), reinterpret_cast<__m256i>(v));
  const __m256i bytes =
      _mm256_packs_epi16(words, words);  // lanes 0 to 3 at the front of the lower half, 4 to 7 of the upper
  const int low = _mm256_extract_epi32(bytes, 0), high = _mm256_extract_epi32(bytes, 4);
  __builtin_memcpy(p, &low, sizeof low);
  __builtin_memcpy(p + 4, &high, sizeof high);
}

// kLanes bytes times their scale.
inline Vec scaled_bytes(const std::int8_t* bytes, float scale) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)))) * scale;
}

inline void store_halves(std::uint16_t* out, UintVec halves) {  // the lower ones
  const __m256i words = reinterpret_cast<__m256i>(halves);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm256_castsi256_si128(packed));
}

// In each lane of 64 bits kBytes bytes of the ones from p on (generic/widen-inl.h), and anything above them: two lanes
// from each 16 bytes.
template <std::size_t kBytes>
inline WideVec load_fields(const unsigned char* p) {
  const auto pair = [p](std::size_t i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 2 * kBytes * i));
  };
  constexpr char k = kBytes;
  const __m256i places = _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7, 0,
                                          1, 2, 3, 4, 5, 6, 7, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7);
  return reinterpret_cast<WideVec>(
      _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(pair(0)), pair(1), 1), places));
}

template <int kBits>
std::size_t widen_quickly(const unsigned char*, std::size_t, unsigned char*) {
  return 0;
}

// ---- Integer products of 4- and 8-bit weights (generic/dot_*-inl.h)

constexpr bool kReadsBf16Scales = true;
constexpr int kGroupLanes = 8;

using Floats = __m256;
using Ints = __m256i;

inline Floats zero_floats() { return _mm256_setzero_ps(); }
inline Floats load_floats(const float* p) { return _mm256_loadu_ps(p); }
inline Floats spread(const float* p) { return _mm256_broadcast_ss(p); }
inline Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
inline Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
inline Ints zero_ints() { return _mm256_setzero_si256(); }
inline Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
inline Ints bits_of(Floats a) { return _mm256_castps_si256(a); }
inline Floats floats_of(Ints a) { return _mm256_castsi256_ps(a); }
inline Ints load_ints(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store_ints(void* p, Ints v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

inline Ints first_lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline void store_floats(float* p, Floats v, int count) { _mm256_maskstore_ps(p, first_lanes(count), v); }

// `bytes` (a multiple of 4) or 32 of them, zeros behind.
inline Ints load_words(const unsigned char* p, int bytes) {
  if (bytes >= 32) return load_ints(p);
  return _mm256_maskload_epi32(reinterpret_cast<const int*>(p), first_lanes(bytes / 4));
}

// 8 scales or biases of a row from group `first` on: expanded floats, or bfloat16 of which `left` belong to the row.
template <bool Bf16>
inline Floats load_groups(const void* row, int first, int left) {
  if constexpr (!Bf16) return _mm256_loadu_ps(static_cast<const float*>(row) + first);
  const std::uint16_t* p = static_cast<const std::uint16_t*>(row) + first;
  __m128i half;
  if (left >= 8) {
    half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  } else {
    alignas(16) std::uint16_t rest[8] = {};
    __builtin_memcpy(rest, p, static_cast<std::size_t>(left) * sizeof rest[0]);
    half = _mm_load_si128(reinterpret_cast<const __m128i*>(rest));
  }
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

template <bool E2m1>
inline Ints low_codes(Ints packed) {
  const Ints nibbles = _mm256_and_si256(packed, _mm256_set1_epi8(15));
  if constexpr (!E2m1) return nibbles;
  return _mm256_shuffle_epi8(
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kE2m1Shifted))), nibbles);
}
template <bool E2m1>
inline Ints high_codes(Ints packed) {
  return low_codes<E2m1>(_mm256_srli_epi16(packed, 4));
}

template <int Bits, bool E2m1>
struct CodeBlock {
  static constexpr int kBytes = 32;
  static constexpr int kColumns = 256 / Bits;
  static constexpr int kLaneColumns = kColumns / 8;

  Ints low, high;  // 4 bits: the even and the odd columns; 8 bits: the first and the second half, widened

  static CodeBlock load(const unsigned char* p) { return unpack(load_ints(p)); }
  static CodeBlock load(const unsigned char* p, int bytes) { return unpack(load_words(p, bytes)); }

  static CodeBlock unpack(Ints packed) {
    if constexpr (Bits == 8) {
      return {_mm256_cvtepu8_epi16(_mm256_castsi256_si128(packed)),
              _mm256_cvtepu8_epi16(_mm256_extracti128_si256(packed, 1))};
    }
    return {low_codes<E2m1>(packed), high_codes<E2m1>(packed)};
  }

  // With the activations' row at this block's first column.
  Ints dot(const std::int8_t* x) const {
    if constexpr (Bits == 8) {
      const auto widen = [x](int at) {
        return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + at)));
      };
      return add_ints(_mm256_madd_epi16(low, widen(0)), _mm256_madd_epi16(high, widen(16)));
    }
    const Ints pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, load_ints(x)),
                                        _mm256_maddubs_epi16(high, load_ints(x + kBlockColumns / 2)));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
};

// Sums of neighbouring lanes: in each half two of `a`, then two of `b`.
inline Ints lane_pairs(Ints a, Ints b) {
  const Floats x = floats_of(a), y = floats_of(b);
  return add_ints(bits_of(_mm256_shuffle_ps(x, y, 0x88)), bits_of(_mm256_shuffle_ps(x, y, 0xdd)));
}
// The same for lanes of at most 32767.
inline Ints short_pairs(Ints a, Ints b) { return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(1)); }
// Sums of the two halves: of `a`, then of `b`.
inline Ints part_pairs(Ints a, Ints b) {
  return add_ints(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
}

// The sums of groups of `Lanes` lanes, as the merges leave them, in the order of the groups.
template <int Lanes>
inline Ints in_order(Ints sums) {
  if constexpr (Lanes >= 8) return sums;
  if constexpr (Lanes == 2) return _mm256_permutevar8x32_epi32(sums, _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7));
  return _mm256_permutevar8x32_epi32(sums, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

inline Floats load_first(const float* p, int count) {  // zeros behind
  return _mm256_maskload_ps(p, first_lanes(count));
}

// Neighbours, then pairs of them, then halves.
inline float total(Floats v) {
  v = _mm256_add_ps(v, _mm256_permute_ps(v, 0xb1));
  v = _mm256_add_ps(v, _mm256_permute_ps(v, 0x4e));
  return _mm_cvtss_f32(_mm_add_ss(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}

// The totals of 8 vectors, added in the same order.
inline Floats total_all(const Floats (&v)[8]) {
  const auto neighbours = [](Floats a, Floats b) {
    return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd));
  };
  const Floats first =
      neighbours(neighbours(v[0], v[1]), neighbours(v[2], v[3]));  // lane 4 h + k: the sum of half h of v[k]
  const Floats second = neighbours(neighbours(v[4], v[5]), neighbours(v[6], v[7]));
  return _mm256_add_ps(_mm256_permute2f128_ps(first, second, 0x20), _mm256_permute2f128_ps(first, second, 0x31));
}

// ---- Panels

constexpr int kTileRows = 8;  // 8 sums beside the codes in 16 registers
constexpr int kBytePasses =
    2;  // 8-bit codes would overflow a PanelSum: their low and high nibbles go one after the other

// How many words of the weights a PanelSum can take: 16 bits hold 8 times 2 * 15 * 127, or 5 times 2 * 24 * 127; a word
// of 4-bit codes gives two of these.
template <int Bits, bool E2m1>
constexpr int words_at_once() {
  if (Bits == 8) return 8;
  return E2m1 ? 2 : 4;
}

using PanelSum = Ints;  // pairs, 16 bits each

// Adds the products of codes and the word at x, which all lanes meet. Written out because GCC reorders the sums of
// several steps and runs out of registers.
inline __attribute__((always_inline)) PanelSum panel_step(PanelSum sum, Ints codes, const std::int8_t* x) {
  std::int32_t four;
  __builtin_memcpy(&four, x, sizeof four);
  Ints products;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"
      : "+x"(sum), "=&x"(products)
      : "x"(codes), "x"(_mm256_set1_epi32(four)));
  return sum;
}
template <int Pass>
inline Ints to_ints(PanelSum sum) {
  return _mm256_madd_epi16(sum, _mm256_set1_epi16(Pass == 0 ? 1 : 16));
}

// 4 bits: the codes that meet a word of the even (Part 0) or the odd columns (1). 8 bits: the low or the high nibbles.
template <int Bits, bool E2m1, int Part>
inline Ints panel_codes(Ints words) {
  return Part == 0 ? low_codes<E2m1>(words) : high_codes<E2m1>(words);
}

// Word k of row i to word i of row k.
inline void transpose(Ints (&row)[8]) {
  Ints t[8];
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_epi32(row[i], row[i + 1]);
    t[i + 1] = _mm256_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {  // row[i + k]: word k of both halves of rows i .. i + 3
    row[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
    row[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
    row[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
    row[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int k = 0; k < 4; ++k) {
    t[k] = _mm256_permute2x128_si256(row[k], row[k + 4], 0x20);
    t[k + 4] = _mm256_permute2x128_si256(row[k], row[k + 4], 0x31);
  }
  for (int i = 0; i < 8; ++i) row[i] = t[i];
}

// ---- Attention with 16-bit integers

inline std::uint32_t largest_of(__m128i magnitudes) {  // of eight unsigned 16-bit integers
  const __m128i ones = _mm_set1_epi16(-1);
  const int smallest = _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(magnitudes, ones)));
  return 0xffff - (static_cast<std::uint32_t>(smallest) & 0xffff);
}

inline Ints broadcast_row(const std::int16_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints broadcast_pair(int both) { return _mm256_set1_epi32(both); }
inline Ints unpack_low(Ints a, Ints b) { return _mm256_unpacklo_epi16(a, b); }
inline Ints unpack_high(Ints a, Ints b) { return _mm256_unpackhi_epi16(a, b); }
inline IntVec multiply_add(IntVec sum, Ints a, Ints b) {
  // Not `sum + ...`: the integers that stand for NaN may overflow.
  return reinterpret_cast<IntVec>(_mm256_add_epi32(reinterpret_cast<Ints>(sum), _mm256_madd_epi16(a, b)));
}
inline Ints max_magnitude(Ints max, Ints halves) {
  return _mm256_max_epu16(max, _mm256_and_si256(halves, _mm256_set1_epi16(0x7fff)));
}
inline std::uint32_t largest_of(Ints magnitudes) {
  return largest_of(_mm_max_epu16(_mm256_castsi256_si128(magnitudes), _mm256_extracti128_si256(magnitudes, 1)));
}
inline Vec as_floats(Ints v) { return _mm256_castsi256_ps(v); }

inline Ints to_integers(Vec v) { return _mm256_cvtps_epi32(v); }
inline Ints narrow(Ints a, Ints b) { return _mm256_packs_epi32(a, b); }
inline void store_narrow(std::int16_t* p, Ints v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
}
inline void store_in_order(float* p, Vec low, Vec high) {
  store(p, _mm256_permute2f128_ps(low, high, 0x20));
  store(p + kLanes, _mm256_permute2f128_ps(low, high, 0x31));
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
