// Which files of a folder hold a model's weights.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace glimt {

struct WeightFiles {
  std::vector<std::filesystem::path> files;  // sorted by name
  std::map<std::string, std::string> index;  // tensor -> file, both as model.safetensors.index.json says; may be empty
  std::vector<std::filesystem::path> not_read;  // the folder's other .safetensors files: adapters, copies
};

// The files that the index names. Without an index, or if the index is stale (it names files that are not there, and
// the folder has complete weights without them): model*.safetensors, and if there are none every .safetensors file but
// adapters. Of numbered shards (x-00001-of-00003) all must be there. Opens no .safetensors file. Throws not_found or
// bad_file, which names what is missing and, where there are no weights at all, what is there instead.
WeightFiles find_weight_files(const std::filesystem::path& folder);

}  // namespace glimt
