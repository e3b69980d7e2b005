// What a conversion makes, tensor by tensor, and from what: known before the first weight is read.
#pragma once

#include "checkpoint/config.h"
#include "convert/recipe.h"
#include "convert/source_rows.h"

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace glimt::convert {

struct OutputTensor {
  std::string name;
  Dtype dtype;
  Shape shape;

  std::size_t nbytes() const;
};

// A matrix, or a stack of them, under mlx-lm's name.
struct MatrixJob {
  std::string path;
  MatrixSize size;
  Dtype type;  // of its floats, and what quantization rounds to
  std::optional<Quantization> quantization;
  bool copies_codes = false;         // it is quantized like this already
  std::vector<float> global_scales;  // as MLX stores them, where codes that are copied need them
  SourceMatrix source;
};

// A tensor that stays as it is, but for its float type.
struct VectorJob {
  StoredTensor tensor;
  Dtype type;
};

// What is made at once, and either wholly there or made again after a kill.
struct Unit {
  std::string name;
  std::variant<MatrixJob, VectorJob> job;
  std::vector<OutputTensor> tensors;  // of a quantized matrix: codes, scales, biases, global scales
  std::size_t source_bytes = 0;
  std::size_t parameters = 0;
};

struct PlanOptions {
  Recipe recipe;
  bool repack = false;              // every matrix keeps its quantization; the recipe does not count
  std::optional<Dtype> float_type;  // that all floats become but e_score_correction_bias; unset: each keeps its own
};

// The units of the model in `files`, in the order of its layers, the MTP layer included. Throws bad_file for what a
// loader would refuse: tensors that are missing, of another shape, or of no part of the model. `files` must outlive the
// units.
std::vector<Unit> plan_units(const SourceFiles& files, const Config& config, const PlanOptions& options);

}  // namespace glimt::convert
