#include "kernels/cpu/read_order.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace glimt::cpu {
namespace {

// Addresses that may not be read.
MemoryRange at(std::uintptr_t address, std::size_t bytes = 4096) {
  return {reinterpret_cast<const unsigned char*>(address << 12), bytes};  // NOLINT(performance-no-int-to-ptr)
}

TEST(ReadOrder, WhatFollowedTwiceIsForeseen) {
  ReadOrder order;
  EXPECT_EQ(order.after(at(1)).at, nullptr);
  EXPECT_EQ(order.after(at(2, 100)).at, nullptr);
  EXPECT_EQ(order.after(at(1)).at, nullptr) << "seen once, it may be chance";
  EXPECT_EQ(order.after(at(2, 200)).at, nullptr);
  EXPECT_EQ(order.after(at(1)).at, at(2).at);
}

TEST(ReadOrder, ARoundIsForeseenAndItsLengths) {
  ReadOrder order;
  for (int round = 0; round < 5; ++round) {
    for (std::uintptr_t i = 1; i <= 100; ++i) {
      const MemoryRange next = order.after(at(i, i));
      if (round < 3) continue;
      EXPECT_EQ(next.at, at(i % 100 + 1).at);
      EXPECT_EQ(next.bytes, i % 100 + 1);
    }
  }
}

TEST(ReadOrder, WhatChangesIsNotForeseenAndOneExceptionIsForgiven) {
  ReadOrder order;
  for (std::uintptr_t other = 10; other < 30; ++other) {
    EXPECT_EQ(order.after(at(1)).at, nullptr) << other;
    static_cast<void>(order.after(at(other)));
  }
  for (int i = 0; i < 4; ++i) {
    static_cast<void>(order.after(at(1)));
    static_cast<void>(order.after(at(2)));
  }
  EXPECT_EQ(order.after(at(1)).at, at(2).at);
  static_cast<void>(order.after(at(3)));
  EXPECT_EQ(order.after(at(1)).at, at(2).at) << "once something else";
}

TEST(ReadOrder, NothingAndTheSameAgainChangeNothing) {
  ReadOrder order;
  for (int i = 0; i < 4; ++i) {
    for (int again = 0; again < 3; ++again) static_cast<void>(order.after(at(1)));
    EXPECT_EQ(order.after({}).at, nullptr);
    static_cast<void>(order.after(at(2)));
  }
  EXPECT_EQ(order.after(at(1)).at, at(2).at);
}

TEST(ReadOrder, MoreThanItRemembersIsNoError) {
  ReadOrder order;
  for (int round = 0; round < 3; ++round) {
    for (std::uintptr_t i = 1; i <= 50000; ++i) {
      const MemoryRange next = order.after(at(i));
      EXPECT_TRUE(next.at == nullptr || next.at == at(i % 50000 + 1).at);
    }
  }
}

}  // namespace
}  // namespace glimt::cpu
