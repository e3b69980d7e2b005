// Whole files in, whole files out, with errors that name the file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace glimt {

// The content of a regular file of at most `max_bytes`. Throws not_found, or bad_file if it is larger or unreadable.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{1} << 30);

// Writes to a temporary name beside `path`, syncs, then renames: a reader sees the old content or the new, never half.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Read-only memory map of a regular file, at an address that is a multiple of kHugePage if the file has that size; shared
// with the page cache, unmapped on destruction. Movable, not copyable.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // throws not_found, bad_file
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace glimt
