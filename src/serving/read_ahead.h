// Brings a model's files from the disk into memory in one go: reading them page by page, as answers need them, takes
// many times as long.
#pragma once

#include "serving/load_progress.h"

#include <filesystem>

namespace glimt {

// Reads the weight files of `folder` from their beginning to their end, and counts their bytes in `progress`. Where the
// machine has not enough memory for all of them it reads nothing. Files that are in memory already take a quarter of a
// second for ten gigabytes. Throws what find_weight_files and MappedFile throw, and what `progress` throws.
void read_weights_ahead(const std::filesystem::path& folder, LoadProgress& progress);

}  // namespace glimt
