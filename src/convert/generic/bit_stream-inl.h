// Codes as a stream of bits, lowest first.
#pragma once

#ifndef GLIMT_LOOPS  // a tool reads this file alone
#define GLIMT_LOOPS portable
#endif

#include "convert/generic/floats-inl.h"

namespace glimt::convert::GLIMT_LOOPS {
namespace {

// Eight codes, one a byte, to Bits bytes.
template <int Bits>
inline void pack_eight(const std::uint8_t* codes, unsigned char* out) {
  std::uint64_t x;
  __builtin_memcpy(&x, codes, sizeof x);
  if constexpr (Bits < 8) {
    x = (x & 0x00ff00ff00ff00ff) | ((x & 0xff00ff00ff00ff00) >> (8 - Bits));
    x = (x & 0x0000ffff0000ffff) | ((x & 0xffff0000ffff0000) >> (16 - 2 * Bits));
    x = (x & 0x00000000ffffffff) | ((x >> 32) << (4 * Bits));
  }
  __builtin_memcpy(out, &x, Bits);
}

template <int Bits>
inline void unpack_eight(const unsigned char* in, std::uint8_t* codes) {
  std::uint64_t x = 0;
  __builtin_memcpy(&x, in, Bits);
  for (int k = 0; k < 8; ++k) codes[k] = static_cast<std::uint8_t>((x >> (k * Bits)) & ((1U << Bits) - 1));
}

// Calls body(Count<N>{}) for the number of bits, of values in a group.
template <int N>
struct Count {
  static constexpr int value = N;
};
template <typename Body>
inline void with_bits(int bits, const Body& body) {
  switch (bits) {
    case 2: return body(Count<2>{});
    case 3: return body(Count<3>{});
    case 4: return body(Count<4>{});
    case 5: return body(Count<5>{});
    case 6: return body(Count<6>{});
    default: return body(Count<8>{});
  }
}
template <typename Body>
inline void with_group(int group, const Body& body) {
  if (group == 32) return body(Count<32>{});
  if (group == 64) return body(Count<64>{});
  body(Count<128>{});
}

}  // namespace
}  // namespace glimt::convert::GLIMT_LOOPS
