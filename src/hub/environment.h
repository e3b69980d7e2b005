// What the hub's files share: variables, and a first look at a folder.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace glimt {

// A variable that is empty counts as not set, as the XDG specification says.
std::optional<std::string> from_environment(const char* variable);

// $XDG_CACHE_HOME or ~/.cache; nullopt without a home.
std::optional<std::filesystem::path> cache_folder();

// Whether the folder's config.json names the architecture that glimt runs. False for one that cannot be read.
bool is_known_family(const std::filesystem::path& folder);

}  // namespace glimt
