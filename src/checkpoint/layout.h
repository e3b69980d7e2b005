// What the tensors of a checkpoint are called. The namings that exist:
//   released (Hugging Face)  mlp.experts.E.gate_proj.weight, an expert a tensor
//   transformers 5           mlp.experts.gate_up_proj, all experts' gate and up rows in one tensor, and mlp.experts.down_proj
//   mlx-lm                   mlp.switch_mlp.gate_proj.{weight,scales,biases}, all experts stacked
//   Ollama                   mlp.experts.gate_proj.weight, stacked; X.weight.scale or X.weight_scale for X.scales
// Ours is that of mlx-lm, and for experts that are not stacked that of the release.
#pragma once

#include "checkpoint/safetensors_header.h"

#include <string>
#include <vector>

namespace glimt {

// A tensor under our name: one of a file, or some rows of one.
struct NamedTensor {
  std::string name;
  TensorInfo info;
};

// What the tensor `stored_name` of a file is for us. Throws bad_file (`where`: the file) for fused experts of an
// impossible shape.
std::vector<NamedTensor> named_tensors(const std::string& stored_name, const TensorInfo& info,
                                       const std::string& where);

// Our name of a tensor that is not split: `model.layers.1.mlp.experts.up_proj.weight` ->
// `…mlp.switch_mlp.up_proj.weight`.
std::string canonical_name(std::string stored_name);

// What the stored values of `stored_name`, a tensor that we call X.global_scale, are to be multiplied by to give the
// factor of the matrix. Ollama's is the factor itself. MLX's (it has no ".weight" in its name) is the largest value of
// the matrix, which the largest scale times the largest code, 448 · 6, stands for.
float global_scale_unit(const std::string& stored_name);

}  // namespace glimt
