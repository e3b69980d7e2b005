#include "api/timestamps.h"

#include <gtest/gtest.h>

namespace glimt {
namespace {

using namespace std::chrono_literals;

const SystemTime kTime = std::chrono::sys_days{std::chrono::year{2026} / 11 / 26} + 1h + 2min + 3s + 123456789ns;

TEST(Timestamps, Rfc3339) {
  EXPECT_EQ(rfc3339_nanoseconds(kTime), "2026-11-26T01:02:03.123456789Z");
  EXPECT_EQ(rfc3339_seconds(kTime), "2026-11-26T01:02:03Z");
  EXPECT_EQ(rfc3339_nanoseconds(SystemTime{5ns}), "1970-01-01T00:00:00.000000005Z");
  EXPECT_EQ(rfc3339_nanoseconds(SystemTime{-1ns}), "1969-12-31T23:59:59.999999999Z");
}

TEST(Timestamps, Seconds) {
  EXPECT_EQ(unix_seconds(kTime), 1795654923);
  EXPECT_EQ(unix_seconds(SystemTime{-1ns}), -1);
}

}  // namespace
}  // namespace glimt
