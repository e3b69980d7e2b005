// Codes of 2, 3, 5 and 6 bits to the 4 and 8 bits that the integer products take. A lane of 64 bits takes the bytes that
// become eight, and halves its fields three or four times: 4 and 4, 2 and 2, 1 and 1 codes move apart.
#pragma once

#ifndef GLIMT_ISA  // a tool reads this file alone
#include "kernels/cpu/vector/portable.h"
#endif

namespace glimt::cpu::GLIMT_ISA {
namespace {

constexpr std::size_t kWideLanes = kLanes / 2;

// How far behind its last lane's bytes load_fields may read.
constexpr std::size_t kReadBehind = 8;

// Eight fields of kBits bits to the eight bytes of each lane.
template <int kBits, typename Lanes>
inline Lanes fields_to_bytes(Lanes x) {
  constexpr std::uint64_t one = (std::uint64_t{1} << kBits) - 1, two = (std::uint64_t{1} << 2 * kBits) - 1,
                          four = (std::uint64_t{1} << 4 * kBits) - 1;
  constexpr std::uint64_t twos = two * 0x0000000100000001u, ones = one * 0x0001000100010001u;
  x = (x & four) | ((x << (32 - 4 * kBits)) & (four << 32));
  x = (x & twos) | ((x << (16 - 2 * kBits)) & (twos << 16));
  return (x & ones) | ((x << (8 - kBits)) & (ones << 8));
}

template <int kBits, typename Lanes>
inline Lanes widened(Lanes x) {
  if constexpr (kBits > 4) {
    return fields_to_bytes<kBits>(x);
  } else {
    constexpr std::uint64_t ones = ((std::uint64_t{1} << kBits) - 1) * 0x0101010101010101u;
    const Lanes pairs = fields_to_bytes<2 * kBits>(x);
    return (pairs & ones) | ((pairs << (4 - kBits)) & (ones << 4));
  }
}

template <int kBits>
void widen(const unsigned char* in, std::size_t count, unsigned char* out) {
  constexpr std::size_t kBytes = kBits > 4 ? kBits : 2 * kBits;  // that become eight
  std::size_t left = count * kBits / 8;
  const std::size_t done = widen_quickly<kBits>(in, left, out);  // where an instruction set has more
  in += done;
  out += done / kBytes * 8;
  left -= done;
  for (; left >= kWideLanes * kBytes + kReadBehind; left -= kWideLanes * kBytes) {
    const WideVec x = widened<kBits>(load_fields<kBytes>(in));
    __builtin_memcpy(out, &x, sizeof x);
    in += kWideLanes * kBytes;
    out += sizeof x;
  }
  for (; left > 0; left -= kBytes, in += kBytes, out += 8) {
    std::uint64_t x = 0;
    __builtin_memcpy(&x, in, kBytes);
    x = widened<kBits>(x);
    __builtin_memcpy(out, &x, sizeof x);
  }
}

void widen_codes(const unsigned char* in, int bits, std::size_t count, unsigned char* out) {
  if (bits == 2) widen<2>(in, count, out);
  if (bits == 3) widen<3>(in, count, out);
  if (bits == 5) widen<5>(in, count, out);
  if (bits == 6) widen<6>(in, count, out);
}

}  // namespace
}  // namespace glimt::cpu::GLIMT_ISA
