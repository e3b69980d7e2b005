// The .safetensors files of a conversion: laid out before anything is computed, then written at any place in any order.
// Headers are padded with spaces so that the data begins at a multiple of 64 bytes. Within a file the tensors whose size
// is a multiple of 64 come first, then the others with the wider types first: every tensor begins at a multiple of its
// element's size, most at one of 64, and there are no gaps, which other readers refuse.
#pragma once

#include "base/json.h"
#include "convert/plan.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace glimt::convert {

constexpr std::uint64_t kShardBytes = std::uint64_t{5} << 30;  // mlx-lm's limit

class OutputFiles {
 public:
  // Lays out; touches no file. A unit is never split between files.
  OutputFiles(const std::vector<Unit>& units, const std::map<std::string, std::string>& metadata,
              std::uint64_t shard_bytes = kShardBytes);
  ~OutputFiles();
  OutputFiles(const OutputFiles&) = delete;
  OutputFiles& operator=(const OutputFiles&) = delete;

  std::uint64_t file_bytes() const;  // of all files with their headers
  std::vector<std::string> file_names() const;
  const std::vector<std::string>& headers() const { return headers_; }
  std::uint64_t parameters() const { return parameters_; }
  json::object index() const;  // model.safetensors.index.json

  // Opens the files in `folder` if all are there with these headers and sizes; false if not.
  bool open(const std::filesystem::path& folder);

  // Makes the files anew: headers, and room for the rest. Throws out_of_memory where the disk has no room, bad_file.
  void create(const std::filesystem::path& folder);

  // Bytes of a tensor from `offset` on. Any thread. Throws out_of_memory (disk full), bad_file.
  void write(const std::string& tensor, std::uint64_t offset, std::span<const std::byte> bytes);

  // Puts what was written since the last call on the disk. Throws the same.
  void sync();

 private:
  struct Place {
    std::size_t file;
    std::uint64_t offset;
    std::uint64_t nbytes;
  };

  void lay_out_file(std::vector<const OutputTensor*> tensors, const std::map<std::string, std::string>& metadata);
  std::filesystem::path path_of(std::size_t file) const;
  void write_at(std::size_t file, std::uint64_t at, std::span<const std::byte> bytes);
  [[noreturn]] void fail_to(const char* what, std::size_t file) const;
  void close();

  std::filesystem::path folder_;
  std::vector<std::string> headers_;  // with the 8 bytes of their length
  std::vector<std::uint64_t> sizes_;  // of the files
  std::map<std::string, Place> places_;
  std::uint64_t tensor_bytes_ = 0, parameters_ = 0;
  std::vector<int> descriptors_;
  std::mutex mutex_;
  std::set<std::size_t> written_;  // files, since sync()
};

}  // namespace glimt::convert
