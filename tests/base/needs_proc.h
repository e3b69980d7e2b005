// For tests that look at what Linux tells of a process.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

// Skips the calling test where there is no /proc.
#define NEEDS_PROC() \
  if (!std::filesystem::exists("/proc/self/maps")) GTEST_SKIP() << "no /proc on this system"
