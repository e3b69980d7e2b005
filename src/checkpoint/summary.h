// What a checkpoint is, from its files alone: for `glimt show` and for the bandwidth figures of `glimt bench`.
#pragma once

#include "checkpoint/config.h"

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glimt {

struct ModelSummary {
  Config config;
  bool has_mtp = false;
  std::size_t files_bytes = 0;       // of all tensors
  std::size_t trunk_parameters = 0;  // without the MTP layer
  std::size_t mtp_parameters = 0;
  std::size_t active_parameters = 0;  // of the trunk, that one token touches (one row of the embedding table)
  std::size_t active_bytes = 0;       // the same in bytes as stored: what a decode step must read
  std::map<std::string, std::size_t> parameters_by_format;  // "affine 4 bits group 64", "bfloat16", …

  std::string made_from, made_how;  // what `glimt convert` says about it in the files' metadata; empty for others
  std::vector<std::filesystem::path> not_read;  // .safetensors files that are no part of the model

  // Cache bytes for one token in all layers (the MTP layer too if the checkpoint has it), in bfloat16.
  std::size_t cache_bytes_per_token() const;
};

// Throws what opening the files throws; loads no weights.
ModelSummary summarize(const std::filesystem::path& folder);

}  // namespace glimt
