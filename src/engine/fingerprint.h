// Which weights and which configuration: a session file is of use with these alone.
#pragma once

#include <filesystem>
#include <string>

namespace glimt {

// The bytes of config.json and samples of the folder's .safetensors files, as text. Throws what reading them throws.
std::string weights_fingerprint(const std::filesystem::path& folder);

}  // namespace glimt
