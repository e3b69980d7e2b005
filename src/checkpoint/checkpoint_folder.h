// A folder of weights: every tensor under one naming (see layout.h), and what is said about how it is quantized. Reads
// headers only. Immutable once opened, so any thread may read it.
#pragma once

#include "checkpoint/config.h"
#include "checkpoint/gguf_part.h"
#include "checkpoint/safetensors.h"

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace glimt {

struct StoredTensor {
  std::shared_ptr<const SafetensorsFile> file;  // null for a part of a GGUF file
  std::string stored_name;                      // in the file
  TensorInfo info;  // of the part of the file's tensor that it is; most are the whole. Without an offset for GGUF
  std::shared_ptr<const GgufModel> gguf = nullptr;
  GgufPart gguf_part = {};

  const std::filesystem::path& file_path() const { return file != nullptr ? file->path() : gguf->path(); }
};

// What config.json or a file's metadata say about a matrix.
struct DeclaredQuantization {
  std::optional<Quantization> quantization;  // a group size of 0 is not said
  bool of_this_matrix = false;               // said of it by name; else of all that are quantized at all
};

class CheckpointFolder {
 public:
  // Throws not_found or bad_file for a missing file, a tensor that is not where the index says, or two tensors of one
  // meaning; what opening the files throws.
  CheckpointFolder(const std::filesystem::path& folder, QuantizationConfig quantization);

  // A GGUF file as such a folder, for readers of tensors (convert/): models cannot be loaded from it. path() is the
  // file, files() is empty.
  explicit CheckpointFolder(const std::shared_ptr<const GgufModel>& model);

  bool has(const std::string& name) const { return tensors_.contains(name); }
  bool has_prefix(const std::string& prefix) const;
  const StoredTensor& at(const std::string& name) const;  // throws bad_file if there is none

  // Of the matrix `path`.weight, which exists. Throws unsupported for a word in a file's metadata that is none of MLX's
  // quantizations.
  DeclaredQuantization declared(const std::string& path) const;

  // bad_file: "FILE: tensor 'x' must be `wanted`, got …".
  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const;

  const std::filesystem::path& path() const { return path_; }
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  const std::vector<std::shared_ptr<const SafetensorsFile>>& files() const { return files_; }
  const std::vector<std::filesystem::path>& not_read() const { return not_read_; }  // other .safetensors files
  std::size_t total_bytes() const { return total_bytes_; }                          // of all tensors

 private:
  void open(const std::filesystem::path& file);
  void check_index(const std::map<std::string, std::string>& index) const;

  std::filesystem::path path_;
  QuantizationConfig quantization_;
  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::vector<std::filesystem::path> not_read_;
  std::map<std::string, StoredTensor> tensors_;
  std::size_t total_bytes_ = 0;
};

}  // namespace glimt
