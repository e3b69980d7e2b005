// Times as the dialects write them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace glimt {

using SystemTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

std::string rfc3339_nanoseconds(SystemTime time);        // "2026-11-26T01:02:03.123456789Z"
std::string rfc3339_seconds(SystemTime time);            // "2026-11-26T01:02:03Z"
std::string rfc3339_seconds(std::int64_t unix_seconds);  // the nearest time that SystemTime can hold
std::int64_t unix_seconds(SystemTime time);              // since 1970, rounded down

}  // namespace glimt
