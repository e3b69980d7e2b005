// Reading .safetensors files (https://github.com/huggingface/safetensors#format): 8 bytes header length, a JSON header,
// then the tensors' bytes. The header is checked strictly before anything uses it, because MLX's own reader accepts
// malformed ones: every tensor's byte range must equal its shape and dtype, and the ranges must cover the data from 0
// to the end of the file without overlap, hole or rest.
#pragma once

#include "base/file.h"

#include <mlx/mlx.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace glimt {

namespace mx = mlx::core;

struct TensorInfo {
  mx::Dtype dtype;
  mx::Shape shape;
  std::size_t offset;  // from the start of the file
  std::size_t nbytes;
};

class SafetensorsFile {
 public:
  // Maps and validates. Throws bad_file (file, tensor, what was wanted and got) or unsupported (a dtype).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::filesystem::path& path() const { return path_; }
  const std::shared_ptr<const MappedFile>& map() const { return file_; }

  // Where in memory an array may begin.
  enum class Offset : std::uint8_t {
    aligned,  // at a multiple of its element's size, as MLX's own operations need it
    any,      // wherever the file has it: our kernels read weights at any address
  };

  // The tensor as an array. On the CPU it lies in the mapped file, without a copy, and keeps the map alive, unless it has
  // to be aligned and is not in the file. On a GPU MLX reads it from the file. REQUIRES the name exists.
  mx::array array(const std::string& name, Offset offset = Offset::aligned) const;

 private:
  void parse_header(std::string_view header, std::size_t data_start);

  std::filesystem::path path_;
  std::shared_ptr<const MappedFile> file_;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  mutable std::shared_ptr<std::unordered_map<std::string, mx::array>> loaded_by_mlx_;
};

}  // namespace glimt
