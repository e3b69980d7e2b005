#include "api/timestamps.h"

#include <fmt/format.h>

#include <algorithm>

namespace glimt {
namespace {

std::string date_and_time(SystemTime time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(second);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(second - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

}  // namespace

std::string rfc3339_nanoseconds(SystemTime time) {
  const auto rest = time - std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{}.{:09}Z", date_and_time(time), rest.count());
}

std::string rfc3339_seconds(SystemTime time) { return date_and_time(time) + "Z"; }

std::string rfc3339_seconds(std::int64_t unix_seconds) {
  constexpr std::int64_t kMost = 9'000'000'000;  // whose nanoseconds fit into 64 bits
  return rfc3339_seconds(SystemTime(std::chrono::seconds(std::clamp(unix_seconds, -kMost, kMost))));
}

std::int64_t unix_seconds(SystemTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

}  // namespace glimt
