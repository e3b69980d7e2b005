// How a weight matrix lies in a checkpoint: plain or quantized, alone or stacked. What the shapes of its parts say is
// held against what config.json or the file's metadata say.
#pragma once

#include "checkpoint/checkpoint_folder.h"

#include <optional>
#include <string>

namespace glimt {

// A matrix [rows, columns], or a stack of `count` > 0 of them.
struct MatrixSize {
  int count = 0;
  int rows = 0;
  int columns = 0;

  Shape shape() const { return with_columns(columns); }
  Shape with_columns(int n) const { return count > 0 ? Shape{count, rows, n} : Shape{rows, n}; }
};

// The quantization of the matrix `path`.weight, or nullopt if it is stored as floats. All its parts (`path`.scales,
// .biases and .global_scale where they belong to it) have been checked. Throws bad_file with the tensor's name when one
// is missing or of a wrong shape or dtype, and when the checkpoint declares another quantization than it stores.
std::optional<Quantization> check_matrix(const CheckpointFolder& folder, const std::string& path,
                                         const MatrixSize& size);

}  // namespace glimt
