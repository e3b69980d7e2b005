// Where the golden checkpoints (tests/golden) are.
#pragma once

#include <filesystem>
#include <string>

namespace glimt {

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(GLIMT_SOURCE_DIR) / "tests" / "golden" / name;
}

inline std::filesystem::path golden_file(const std::string& name) { return golden_folder(name) / "golden.safetensors"; }

}  // namespace glimt
