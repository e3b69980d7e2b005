#include "kernels/cpu/read_order.h"

#include <algorithm>

namespace glimt::cpu {

ReadOrder::Entry& ReadOrder::entry(const unsigned char* at) {
  static_assert(kEntries == std::size_t{1} << 13);
  const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(at));
  return entries_[static_cast<std::size_t>(address * 0x9E3779B97F4A7C15u >> (64 - 13))];  // Knuth's multiplicative hash
}

void ReadOrder::learn(const unsigned char* at, MemoryRange next) {
  Entry& known = entry(at);
  if (known.at == at && known.next.at == next.at) {
    known.certainty = std::min(known.certainty + 1, 3);
  } else if (known.at == at && known.certainty > 0) {
    --known.certainty;
  } else {
    known = {at, next, 0};
  }
}

MemoryRange ReadOrder::after(MemoryRange now) {
  if (now.at == nullptr) return {};
  if (last_ != nullptr && last_ != now.at) learn(last_, now);
  last_ = now.at;
  const Entry& known = entry(now.at);
  return known.at == now.at && known.certainty > 0 ? known.next : MemoryRange{};
}

}  // namespace glimt::cpu
