// The tensors of a checkpoint as arrays, each taken exactly once by the layer that it belongs to, with its shape and
// dtype checked; finish() names those that were not taken. The released layout's joined kv_b_proj and single experts
// are resolved by the layers.
#pragma once

#include "checkpoint/checkpoint_folder.h"
#include "kernels/kernels.h"
#include "model/arrays.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace glimt {

// A stretch of one side of a matrix or a stack of matrices; all of it where nothing is said.
struct MatrixPart {
  enum class Side : std::uint8_t { all, stack, rows, columns };
  Side side = Side::all;
  int from = 0, to = 0;
};

class Weights {
 public:
  // Throws what opening a CheckpointFolder throws.
  Weights(const std::filesystem::path& folder, QuantizationConfig quantization,
          kernels::Device device = kernels::Device::choose(false));

  // Where the layers that take the tensors compute.
  const kernels::Device& device() const { return device_; }

  bool has(const std::string& name) const { return folder_.has(name); }
  bool has_prefix(const std::string& prefix) const { return folder_.has_prefix(prefix); }

  // A float tensor (float32, float16, bfloat16) of exactly this shape, as float32 (copied unless it is float32).
  mx::array take_vector(const std::string& name, int size);

  // The matrix `path`.weight [rows, columns], or a stack of `count` > 0 of them, plain or quantized; with the bits and
  // group size that its shapes show, checked against config.json; prepared for the device. multiplied_with: the dtype of
  // what it is multiplied with, unless it is the activations'.
  Weight take_matrix(const std::string& path, int rows, int columns, int count = 0,
                     std::optional<mx::Dtype> multiplied_with = std::nullopt);
  std::shared_ptr<const Weight> take_shared(const std::string& path, int rows, int columns,
                                            std::optional<mx::Dtype> multiplied_with = std::nullopt);

  // A part of such a matrix; other machines have the rest, which total_bytes() does not count. Where the part is not one
  // stretch of the file it is copied. Throws bad_file also for columns that begin or end within a group.
  Weight take_part(const std::string& path, int rows, int columns, int count, const MatrixPart& part);

  // The columns of a group of such a matrix; 1 where it is not quantized. Throws what take_matrix throws.
  int group_size(const std::string& path, int rows, int columns, int count = 0) const;

  // Throws bad_file with the names of tensors that were not taken.
  void finish() const;

  // Other machines take these tensors: finish() does not name them, and total_bytes() does not count them.
  void set_aside(const std::function<bool(const std::string& name)>& of_others);
  std::size_t bytes_of(const std::string& prefix) const;

  // For a model of which only a part is in memory at a time: the tensors of this prefix are needed soon, or no more.
  void expect(const std::string& prefix) const;
  void drop(const std::string& prefix) const;

  std::size_t total_bytes() const { return folder_.total_bytes() - set_aside_bytes_; }
  std::size_t copied_bytes() const { return copied_bytes_; }    // of these, in parts that do not lie in their file
  std::vector<std::shared_ptr<const MappedFile>> maps() const;  // of the files, for as long as they are held
  std::size_t tensor_count() const { return folder_.tensors().size(); }

 private:
  Weight take_stored(const std::string& path, int rows, int columns, int count, const MatrixPart& part);
  std::optional<mx::array> take_global_scale(const std::string& path, int count, const MatrixPart& part);
  Weight prepared(const Weight& w, std::optional<mx::Dtype> multiplied_with) const;
  void mark_taken(const std::string& name);
  mx::array take(const std::string& name, ArrayOffset offset = ArrayOffset::aligned);
  mx::array take(const std::string& name, ArrayOffset offset, const MatrixPart& part, int columns);

  CheckpointFolder folder_;
  kernels::Device device_;
  std::set<std::string> taken_;
  std::size_t set_aside_bytes_ = 0, copied_bytes_ = 0;
};

}  // namespace glimt
