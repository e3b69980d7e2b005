#include "cli/bytes.h"

#include <gtest/gtest.h>

namespace glimt {
namespace {

TEST(DescribeBytes, InTheUnitThatFits) {
  EXPECT_EQ(describe_bytes(0), "0.0 kB");
  EXPECT_EQ(describe_bytes(5'040), "5.0 kB");
  EXPECT_EQ(describe_bytes(999'949), "999.9 kB");
  EXPECT_EQ(describe_bytes(1'000'000), "1.0 MB");
  EXPECT_EQ(describe_bytes(69'000'000), "69.0 MB");
  EXPECT_EQ(describe_bytes(16'900'000'000), "16.90 GB");
}

}  // namespace
}  // namespace glimt
