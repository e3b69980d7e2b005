// Durations as Go's time.ParseDuration reads them.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace glimt {

// "300ms", "-1.5h", "2h45m": an optional sign, then numbers with a unit each (ns, us, µs, ms, s, m, h); or "0". Nothing
// for other texts. What is longer than nanoseconds of 64 bits is the longest of these.
std::optional<std::chrono::nanoseconds> parse_go_duration(std::string_view text);

}  // namespace glimt
