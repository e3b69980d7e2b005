// How far a calibration is, on the disk: the stage that comes next, and hidden states as float32.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

namespace glimt::convert {

struct CalibrationState {
  int next_stage = 0;
  std::vector<float> values;
};

// What `file` holds if it was written with so many values; else stage 0 and none. Throws bad_file if it cannot be read.
CalibrationState read_calibration_state(const std::filesystem::path& file, std::size_t values);

// In one step. Throws bad_file.
void write_calibration_state(const std::filesystem::path& file, int next_stage,
                             const std::vector<std::span<const float>>& values);

}  // namespace glimt::convert
