// Texts that tests compare with files in tests/api/golden.
#pragma once

#include "base/file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace glimt {

// EXPECTs that `text` is what `path`, relative to the project, holds. With GLIMT_WRITE_GOLDEN=1 in the environment the
// file is written instead, and the test fails once so that nobody takes that for a comparison.
inline void expect_file(const std::string& path, const std::string& text) {
  const std::filesystem::path file = std::filesystem::path(GLIMT_SOURCE_DIR) / path;
  if (std::getenv("GLIMT_WRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text;
    ADD_FAILURE() << "wrote " << path << "; run without GLIMT_WRITE_GOLDEN to compare";
    return;
  }
  ASSERT_TRUE(std::filesystem::exists(file)) << path << " is missing; GLIMT_WRITE_GOLDEN=1 writes it";
  EXPECT_EQ(read_file(file, std::size_t{16} << 20), text)
      << path << " differs; if that is what you want, GLIMT_WRITE_GOLDEN=1 writes it anew";
}

}  // namespace glimt
