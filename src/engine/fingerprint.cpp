#include "engine/fingerprint.h"

#include "base/file.h"

#include <fmt/format.h>
#include <boost/crc.hpp>

#include <algorithm>
#include <vector>

namespace glimt {

constexpr std::size_t kSamples = 64, kSampleBytes = 4096;

std::string weights_fingerprint(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  boost::crc_32_type crc;
  const std::string config = read_file(folder / "config.json");
  crc.process_bytes(config.data(), config.size());
  std::size_t total = 0;
  for (const std::filesystem::path& path : files) {
    const MappedFile file(path);
    total += file.size();
    for (std::size_t i = 0; i < kSamples && file.size() > 0; ++i) {
      const std::size_t at = file.size() / kSamples * i;
      crc.process_bytes(file.data() + at, std::min(kSampleBytes, file.size() - at));
    }
  }
  return fmt::format("{} files, {} bytes, {:08x}", files.size(), total, crc.checksum());
}

}  // namespace glimt
