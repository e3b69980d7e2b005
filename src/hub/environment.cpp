#include "hub/environment.h"

#include "base/file.h"

#include <cstdlib>

namespace glimt {

namespace fs = std::filesystem;

std::optional<std::string> from_environment(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::optional<fs::path> cache_folder() {
  if (const auto cache = from_environment("XDG_CACHE_HOME"); cache && fs::path(*cache).is_absolute()) return *cache;
  if (const auto home = from_environment("HOME")) return fs::path(*home) / ".cache";
  return std::nullopt;
}

bool is_known_family(const fs::path& folder) {
  constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;
  std::error_code ignored;
  if (!fs::is_regular_file(folder / "config.json", ignored)) return false;
  const std::uintmax_t size = fs::file_size(folder / "config.json", ignored);
  if (ignored || size > kMaxConfigBytes) return false;
  const std::string config = read_file(folder / "config.json", kMaxConfigBytes);
  return config.find("\"glm4_moe_lite\"") != std::string::npos || config.find("\"Glm4MoeLite") != std::string::npos;
}

}  // namespace glimt
