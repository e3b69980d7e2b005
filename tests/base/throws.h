#pragma once

#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace glimt {

// EXPECT that `statement` throws glimt::Error of this kind with a message that matches (a gmock matcher or a string).
#define EXPECT_ERROR(statement, wanted_kind, message_matcher)                                     \
  try {                                                                                           \
    static_cast<void>(statement);                                                                 \
    ADD_FAILURE() << #statement << " threw nothing";                                              \
  } catch (const ::glimt::Error& error) {                                                         \
    EXPECT_EQ(::glimt::to_string(error.kind()), ::glimt::to_string(wanted_kind)) << error.what(); \
    EXPECT_THAT(std::string(error.what()), message_matcher);                                      \
  }

}  // namespace glimt
