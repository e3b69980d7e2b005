// Sixteen lanes of AVX-512 (F, BW, VL, DQ, VNNI).
//
// Integer products: 64 bytes of a weight row are a block: 128 4-bit columns (low nibbles the even ones, high nibbles
// the odd ones, which is why quantize_row interleaves) or 64 8-bit ones. vpdpbusd sums four products into each of 16
// lanes.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#define GLIMT_ISA avx512
#define GLIMT_ISA_NAME "avx512"
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,fma,f16c")
#endif

#include <immintrin.h>

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr int kLanes = 16;

// Results that are kept in registers at once: activation rows times weight rows of a product of floats; of attention,
// query vectors against four keys in float32, and against kKeyTile keys in 16 bits, and query rows times vectors of
// output columns.
constexpr int kTileX = 4, kTileW = 4;
constexpr int kScoreTile = 5;
constexpr int kScoreTile16 = 3, kKeyTile = 8;
constexpr int kValueRows = 5, kValueTile = 4;

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA

#include "kernels/cpu/vector/lanes.h"

namespace glimt::cpu::GLIMT_ISA {
namespace {

inline Vec broadcast_quad(const float* p) { return _mm512_maskz_broadcast_f32x4(0xffff, _mm_loadu_ps(p)); }

inline void store_bytes(std::int8_t* p, IntVec v) {  // GCC 12 would narrow lane by lane
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(v)));
}

// kLanes bytes times their scale. The masked forms: GCC 12 warns of what the plain ones leave undefined.
inline Vec scaled_bytes(const std::int8_t* bytes, float scale) {
  const __m512i words = _mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
  return _mm512_maskz_cvtepi32_ps(0xffff, words) * scale;
}

inline void store_halves(std::uint16_t* out, UintVec halves) {  // the lower ones
  const __m256i packed = _mm512_maskz_cvtepi32_epi16(0xffff, reinterpret_cast<__m512i>(halves));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), packed);
}

// In each lane of 64 bits kBytes bytes of the ones from p on (generic/widen-inl.h), and anything above them: two lanes
// from each 16 bytes.
template <std::size_t kBytes>
inline WideVec load_fields(const unsigned char* p) {
  const auto pair = [p](std::size_t i) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 2 * kBytes * i));
  };
  constexpr char k = kBytes;
  const __m128i two = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, k, k + 1, k + 2, k + 3, k + 4, k + 5, k + 6, k + 7);
  __m512i pairs = _mm512_zextsi128_si512(pair(0));
  pairs = _mm512_inserti32x4(pairs, pair(1), 1);
  pairs = _mm512_inserti32x4(pairs, pair(2), 2);
  pairs = _mm512_inserti32x4(pairs, pair(3), 3);
  return reinterpret_cast<WideVec>(_mm512_shuffle_epi8(pairs, _mm512_broadcast_i32x4(two)));
}

// The same codes as widen() (generic/widen-inl.h) from its fields by AVX512_VBMI, where the CPU has it: one permutation
// and one shift of each byte instead of some twenty operations. Returns how many bytes of `in` it has taken.
template <int kBits>
__attribute__((target("avx512vbmi"))) std::size_t widen_by_bytes(const unsigned char* in, std::size_t bytes,
                                                                 unsigned char* out) {
  constexpr int kField = kBits > 4 ? kBits : 2 * kBits;
  alignas(64) unsigned char places[64], shifts[64];
  for (int i = 0; i < 64; ++i) {
    places[i] = static_cast<unsigned char>(i / 8 * kField + i % 8);
    shifts[i] = static_cast<unsigned char>(i % 8 * kField);
  }
  const __m512i place = _mm512_load_si512(places), shift = _mm512_load_si512(shifts);
  constexpr char kOnes = (1 << kBits) - 1;
  const __m512i low = _mm512_set1_epi8(kOnes), high = _mm512_set1_epi8(static_cast<char>(kBits > 4 ? 0 : kOnes << 4));
  std::size_t done = 0;
  for (; bytes - done >= 64; done += 8 * kField, out += 64) {
    const __m512i lanes = _mm512_permutexvar_epi8(place, _mm512_loadu_si512(in + done));
    const __m512i fields = _mm512_multishift_epi64_epi8(shift, lanes);
    const __m512i upper = _mm512_slli_epi16(fields, kBits > 4 ? 0 : 4 - kBits);
    _mm512_storeu_si512(out, _mm512_or_si512(_mm512_and_si512(fields, low), _mm512_and_si512(upper, high)));
  }
  return done;
}

template <int kBits>
std::size_t widen_quickly(const unsigned char* in, std::size_t bytes, unsigned char* out) {
  static const bool can = __builtin_cpu_supports("avx512vbmi");
  return can ? widen_by_bytes<kBits>(in, bytes, out) : 0;
}

// ---- Integer products of 4- and 8-bit weights (generic/dot_*-inl.h)

constexpr bool kReadsBf16Scales = true;
constexpr int kGroupLanes = 16;

using Floats = __m512;
using Ints = __m512i;

inline Floats zero_floats() { return _mm512_setzero_ps(); }
inline Floats load_floats(const float* p) { return _mm512_loadu_ps(p); }
inline Floats spread(const float* p) { return _mm512_set1_ps(*p); }
inline Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
inline Floats multiply_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
inline Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
inline Ints zero_ints() { return _mm512_setzero_si512(); }
inline Ints bits_of(Floats a) { return _mm512_castps_si512(a); }
inline Floats floats_of(Ints a) { return _mm512_castsi512_ps(a); }

// 16 scales or biases of a row from group `first` on: expanded floats, or bfloat16 of which `left` belong to the row.
template <bool Bf16>
inline Floats load_groups(const void* row, int first, int left) {
  if constexpr (!Bf16) return _mm512_loadu_ps(static_cast<const float*>(row) + first);
  const __mmask16 mask = left >= 16 ? 0xffff : static_cast<__mmask16>((1u << left) - 1);
  const __m256i half = _mm256_maskz_loadu_epi16(mask, static_cast<const std::uint16_t*>(row) + first);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

// `bytes` or 64 of them, zeros behind.
inline Ints load_words(const unsigned char* p, int bytes) {
  const __mmask64 mask = bytes >= 64 ? ~__mmask64{0} : (__mmask64{1} << bytes) - 1;
  return _mm512_maskz_loadu_epi8(mask, p);
}

inline Ints e2m1_codes(Ints nibbles) {
  return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kE2m1Shifted))),
                             nibbles);
}

template <int Bits, bool E2m1>
struct CodeBlock {
  static constexpr int kBytes = 64;
  static constexpr int kColumns = 512 / Bits;
  static constexpr int kLaneColumns = kColumns / 16;

  Ints low, high;  // the codes that meet the first and the second half of the activations' block

  static CodeBlock load(const unsigned char* p) {
    Ints packed;
    // Loaded once, and in the order of memory: else GCC loads twice, and in another order, which memory serves a third
    // slower.
    asm volatile("vmovdqu64 %1, %0"
                 : "=v"(packed)
                 : "m"(*reinterpret_cast<const Ints __attribute__((may_alias, aligned(1)))*>(p)));
    return unpack(packed);
  }
  static CodeBlock load(const unsigned char* p, int bytes) { return unpack(load_words(p, bytes)); }

  static CodeBlock unpack(Ints packed) {
    if constexpr (Bits == 8) return {packed, packed};
    const Ints nibble = _mm512_set1_epi8(15);
    const CodeBlock b{_mm512_and_si512(packed, nibble), _mm512_and_si512(_mm512_srli_epi16(packed, 4), nibble)};
    if constexpr (E2m1) return {e2m1_codes(b.low), e2m1_codes(b.high)};
    return b;
  }

  // With the activations' row at this block's first column.
  Ints dot(const std::int8_t* x) const {
    const Ints sum = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, _mm512_loadu_si512(x));
    if constexpr (Bits == 8) return sum;
    return _mm512_dpbusd_epi32(sum, high, _mm512_loadu_si512(x + 64));
  }
};

inline Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }

// Sums of neighbouring lanes: in each quarter two of `a`, then two of `b`.
inline Ints lane_pairs(Ints a, Ints b) {
  const Floats x = floats_of(a), y = floats_of(b);
  return add_ints(bits_of(_mm512_shuffle_ps(x, y, 0x88)), bits_of(_mm512_shuffle_ps(x, y, 0xdd)));
}
// The same for lanes of at most 32767.
inline Ints short_pairs(Ints a, Ints b) { return _mm512_madd_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(1)); }
// Sums of neighbouring quarters: two of `a`, then two of `b`.
inline Ints part_pairs(Ints a, Ints b) {
  return add_ints(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
}

// The sums of groups of `Lanes` lanes, as the merges leave them, in the order of the groups.
template <int Lanes>
inline Ints in_order(Ints sums) {
  if constexpr (Lanes >= 16) return sums;
  if constexpr (Lanes == 2) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15), sums);
  }
  if constexpr (Lanes == 4) {
    return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), sums);
  }
  return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15), sums);
}

inline Floats load_first(const float* p, int count) {  // zeros behind
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << count) - 1), p);
}

// Neighbours, then pairs of them, and so on.
inline float total(Floats v) {
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0xb1));
  v = _mm512_add_ps(v, _mm512_permute_ps(v, 0x4e));
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0xb1));
  v = _mm512_add_ps(v, _mm512_shuffle_f32x4(v, v, 0x4e));
  return _mm512_cvtss_f32(v);
}

// The totals of 16 vectors, added in the same order.
inline Floats total_all(const Floats (&v)[16]) {
  const auto neighbours = [](Floats a, Floats b) {
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
  };
  const auto quarters = [](Floats a, Floats b) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  };
  Floats fours[4];  // lane 4 q + k: the sum of quarter q of v[4 i + k]
  for (int i = 0; i < 4; ++i)
    fours[i] = neighbours(neighbours(v[4 * i], v[4 * i + 1]), neighbours(v[4 * i + 2], v[4 * i + 3]));
  return quarters(quarters(fours[0], fours[1]), quarters(fours[2], fours[3]));
}

// ---- Panels

constexpr int kTileRows = 12;  // 12 integer and 12 float sums beside the codes in 32 registers
constexpr int kBytePasses = 1;

// How many words of the weights a PanelSum can take. Here: a whole group, up to 128 * 255 * 127 in 32 bits.
template <int Bits, bool E2m1>
constexpr int words_at_once() {
  return kBlockColumns;
}

using PanelSum = Ints;

// Adds the products of codes and the word at x, which all lanes meet. Written out because GCC copies the sums around
// _mm512_dpbusd_epi32 in a loop.
inline __attribute__((always_inline)) PanelSum panel_step(PanelSum sum, Ints codes, const std::int8_t* x) {
  using Word = std::int32_t __attribute__((may_alias));
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(codes), "m"(*reinterpret_cast<const Word*>(x)));
  return sum;
}
template <int Pass>
inline Ints to_ints(PanelSum sum) {
  return sum;
}

// Word k of row i to word i of row k.
inline void transpose(Ints (&row)[16]) {
  Ints t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {  // row[i + k]: word k of each quarter of rows i .. i + 3
    row[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    row[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    row[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    row[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int k = 0; k < 4; ++k) {
    const Ints a = _mm512_shuffle_i32x4(row[k], row[k + 4], 0x88), b = _mm512_shuffle_i32x4(row[k], row[k + 4], 0xdd);
    const Ints c = _mm512_shuffle_i32x4(row[k + 8], row[k + 12], 0x88),
               d = _mm512_shuffle_i32x4(row[k + 8], row[k + 12], 0xdd);
    t[k] = _mm512_shuffle_i32x4(a, c, 0x88);
    t[k + 4] = _mm512_shuffle_i32x4(b, d, 0x88);
    t[k + 8] = _mm512_shuffle_i32x4(a, c, 0xdd);
    t[k + 12] = _mm512_shuffle_i32x4(b, d, 0xdd);
  }
  for (int i = 0; i < 16; ++i) row[i] = t[i];
}

// 4 bits: the codes that meet a word of the even (Part 0) or the odd columns (1). 8 bits: all.
template <int Bits, bool E2m1, int Part>
inline Ints panel_codes(Ints words) {
  if constexpr (Bits == 8) return words;
  const Ints nibbles = _mm512_and_si512(Part == 0 ? words : _mm512_srli_epi16(words, 4), _mm512_set1_epi8(15));
  return E2m1 ? e2m1_codes(nibbles) : nibbles;
}
inline void store_ints(void* p, Ints v) { _mm512_storeu_si512(p, v); }
inline Ints load_ints(const void* p) { return _mm512_loadu_si512(p); }
inline void store_floats(float* p, Floats v, int count) {
  _mm512_mask_storeu_ps(p, count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1), v);
}

// ---- Attention with 16-bit integers

inline std::uint32_t largest_of(__m128i magnitudes) {  // of eight unsigned 16-bit integers
  const __m128i ones = _mm_set1_epi16(-1);
  const int smallest = _mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(magnitudes, ones)));
  return 0xffff - (static_cast<std::uint32_t>(smallest) & 0xffff);
}

inline Ints broadcast_row(const std::int16_t* p) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline Ints broadcast_pair(int both) { return _mm512_set1_epi32(both); }
inline Ints unpack_low(Ints a, Ints b) { return _mm512_unpacklo_epi16(a, b); }
inline Ints unpack_high(Ints a, Ints b) { return _mm512_unpackhi_epi16(a, b); }
inline IntVec multiply_add(IntVec sum, Ints a, Ints b) {
  asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));  // GCC 12 copies the sums around the intrinsic
  return sum;
}
inline Ints max_magnitude(Ints max, Ints halves) {
  return _mm512_max_epu16(max, _mm512_and_si512(halves, _mm512_set1_epi16(0x7fff)));
}
inline std::uint32_t largest_of(Ints magnitudes) {
  const __m256i half = _mm256_max_epu16(_mm512_castsi512_si256(magnitudes), _mm512_extracti64x4_epi64(magnitudes, 1));
  return largest_of(_mm_max_epu16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1)));
}
inline Vec as_floats(Ints v) { return _mm512_castsi512_ps(v); }

inline Ints to_integers(Vec v) { return _mm512_cvtps_epi32(v); }
inline Ints narrow(Ints a, Ints b) { return _mm512_packs_epi32(a, b); }
inline void store_narrow(std::int16_t* p, Ints v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtsepi32_epi16(v));
}
// The columns of unpack_low's and unpack_high's sums in order.
inline void store_in_order(float* p, Vec low, Vec high) {
  const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
  const __m512i second = _mm512_setr_epi32(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
  store(p, _mm512_permutex2var_ps(low, first, high));
  store(p + kLanes, _mm512_permutex2var_ps(low, second, high));
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
