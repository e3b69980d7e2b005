// All tensors of a checkpoint, under one naming: that of mlx-lm (`X.weight`, `X.scales`, `X.biases`,
// `mlp.switch_mlp.*` for stacked experts). Ollama's spellings are translated when the files are opened; the released
// layout (one tensor an expert, joined kv_b_proj) is resolved by the layers that take the tensors.
// Every tensor is taken exactly once, with its shape and dtype checked; finish() names what nobody took.
#pragma once

#include "kernels/kernels.h"
#include "model/config.h"
#include "model/safetensors.h"

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace glimt {

// A tensor as it lies in the files, under our naming.
struct StoredTensor {
  std::string name;
  mx::Shape shape;
  mx::Dtype dtype;
  std::size_t nbytes;
  std::optional<Quantization> quantization;  // of packed values; a group size of 0 is unknown
};

class Weights {
 public:
  // Opens every shard: those of model.safetensors.index.json, or else all *.safetensors of the folder. Throws not_found
  // or bad_file for a missing shard, a tensor that is not where the index says, or two tensors of one meaning.
  Weights(const std::filesystem::path& folder, QuantizationConfig quantization,
          kernels::Device device = kernels::Device::choose(false));

  // Where the layers that take the tensors compute.
  const kernels::Device& device() const { return device_; }

  bool has(const std::string& name) const { return tensors_.contains(name); }
  bool has_prefix(const std::string& prefix) const;

  // A float tensor (float32, float16, bfloat16) of exactly this shape, as float32 (copied unless it is float32).
  mx::array take_vector(const std::string& name, int size);

  // The matrix `path`.weight [rows, columns], or a stack of `count` > 0 of them, plain or quantized; with the bits and
  // group size that its shapes show, checked against config.json.
  Weight take_matrix(const std::string& path, int rows, int columns, int count = 0);
  std::shared_ptr<const Weight> take_shared(const std::string& path, int rows, int columns, int count = 0);

  // Throws bad_file with the names of tensors that were not taken.
  void finish() const;

  // Everything in the files, by name.
  std::vector<StoredTensor> stored() const;

  std::size_t total_bytes() const { return total_bytes_; }
  std::vector<std::shared_ptr<const MappedFile>> maps() const;  // of the files, for as long as they are held
  std::size_t tensor_count() const { return tensors_.size(); }

 private:
  struct Source {
    const SafetensorsFile* file;
    std::string name;  // in the file
    bool taken = false;
  };

  void open(const std::filesystem::path& path);
  Source& source(const std::string& name);
  mx::array take(const std::string& name, SafetensorsFile::Offset offset = SafetensorsFile::Offset::aligned);
  const TensorInfo& info(const std::string& name) const;
  [[noreturn]] void wrong_shape(const std::string& name, const std::string& wanted) const;
  std::optional<Quantization> stored_quantization(const std::string& path) const;

  std::filesystem::path folder_;
  QuantizationConfig quantization_;
  kernels::Device device_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::map<std::string, Source> tensors_;
  std::size_t total_bytes_ = 0;
};

}  // namespace glimt
