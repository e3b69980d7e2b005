// How long poll() is to wait.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace glimt::launch {

// Milliseconds until `end`, 0 if that is over; -1, which means for ever, without one.
inline int milliseconds_until(const std::optional<std::chrono::steady_clock::time_point>& end) {
  if (!end) return -1;
  const std::int64_t left =
      std::chrono::ceil<std::chrono::milliseconds>(*end - std::chrono::steady_clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, std::numeric_limits<int>::max()));
}

}  // namespace glimt::launch
