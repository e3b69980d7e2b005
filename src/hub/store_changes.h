// What changes the store besides a pull: removing, copying, and checking what is there. Each is done wholly or not at
// all, whenever the process is killed.
#pragma once

#include "hub/manifest.h"
#include "hub/store.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

// Removes a model, or what an unfinished pull of it left, from the store. Returns the bytes that its files had. Throws
// not_found; invalid_request for a model that is not the store's: another program's, or the one that ships.
std::uint64_t remove_model(const std::string& name, const std::filesystem::path& store,
                           const std::vector<std::filesystem::path>& places);

// Gives a model, from wherever it is, another name in the store. Large files are cloned or hard linked where the file
// system can, so they take no space; small ones are copied, so that one of both may be edited. Throws what
// resolve_model throws; invalid_request if `target` is no name or is taken; bad_file.
void copy_model(const std::string& source, const std::string& target, const std::filesystem::path& store,
                const std::vector<std::filesystem::path>& places);

struct Difference {
  std::string path;
  std::string what;  // "is missing", "sha256 must be …, got …"
};

// Reads all files of a model and compares them with what is known about them. `read` is told how many of how many bytes
// have been read, and may throw to stop. Throws not_found if nothing is known.
std::vector<Difference> verify_model(const std::filesystem::path& folder,
                                     const std::function<void(std::uint64_t, std::uint64_t)>& read = {});

// Bytes of a folder's files; a file with several names counts once for the same `Usage`, so that a sum over models that
// share files is what the disk holds.
class Usage {
 public:
  std::uint64_t add(const std::filesystem::path& folder);  // bytes that were not counted before
  std::uint64_t total() const { return total_; }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> seen_;  // device and inode, sorted
  std::uint64_t total_ = 0;
};

}  // namespace glimt
