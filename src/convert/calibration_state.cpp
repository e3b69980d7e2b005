#include "convert/calibration_state.h"

#include "base/file.h"

#include <cstdint>
#include <cstring>
#include <system_error>

namespace glimt::convert {
namespace {

struct Header {
  std::uint64_t next_stage;
  std::uint64_t values;
};

}  // namespace

CalibrationState read_calibration_state(const std::filesystem::path& file, std::size_t values) {
  std::error_code error;
  const std::size_t bytes = values * sizeof(float);
  if (std::filesystem::file_size(file, error) != sizeof(Header) + bytes || error) return {};
  const MappedFile content(file);
  Header header{};
  std::memcpy(&header, content.data(), sizeof header);
  if (header.values != values) return {};
  CalibrationState state{static_cast<int>(header.next_stage), std::vector<float>(values)};
  std::memcpy(state.values.data(), content.data() + sizeof header, bytes);
  return state;
}

void write_calibration_state(const std::filesystem::path& file, int next_stage,
                             const std::vector<std::span<const float>>& values) {
  Header header{static_cast<std::uint64_t>(next_stage), 0};
  for (const std::span<const float> part : values) header.values += part.size();
  AtomicFile out(file);
  out.append(std::as_bytes(std::span(&header, 1)));
  for (const std::span<const float> part : values) out.append(std::as_bytes(part));
  out.commit();
}

}  // namespace glimt::convert
