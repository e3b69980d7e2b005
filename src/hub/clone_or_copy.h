// Copies that take no space where the file system can do without.
#pragma once

#include <filesystem>

namespace glimt {

// `to`, which is not there yet, gets the content of the regular file that `from` is or leads to. A large file is cloned
// or hard linked if possible, a small one copied, so that one of both may be edited. Throws bad_file.
void clone_or_copy(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace glimt
