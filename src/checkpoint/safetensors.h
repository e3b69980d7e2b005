// A .safetensors file (https://github.com/huggingface/safetensors#format), mapped into memory: 8 bytes header length, a
// JSON header, then the tensors' bytes.
#pragma once

#include "base/file.h"
#include "checkpoint/safetensors_header.h"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace glimt {

class SafetensorsFile {
 public:
  // Maps and validates. Throws not_found, or bad_file or unsupported with the file's name: what the header's parser
  // finds, and files that are something else (a Git LFS pointer, GGUF, …).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, TensorInfo>& tensors() const { return header_.tensors; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  const std::filesystem::path& path() const { return path_; }

  // The file's bytes, which a TensorInfo's offset counts from. Share it to keep the bytes mapped.
  const std::shared_ptr<const MappedFile>& map() const { return map_; }

  std::string_view header_text() const;

 private:
  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> map_;
  SafetensorsHeader header_;
};

}  // namespace glimt
