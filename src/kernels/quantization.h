// How MLX stores a quantized matrix, as data:
// https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.core.quantize.html No MLX in here: checkpoint/
// and convert/ read it, too.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glimt {

enum class QuantMode { affine, mxfp4, mxfp8, nvfp4 };

std::string_view to_string(QuantMode mode);  // MLX's name
std::optional<QuantMode> quant_mode_from(std::string_view name);

struct Quantization {
  QuantMode mode = QuantMode::affine;
  int bits = 4;
  int group_size = 64;  // columns that share a scale

  std::string mode_name() const { return std::string(to_string(mode)); }
  bool operator==(const Quantization&) const = default;
};

// True for what MLX defines: affine 2, 3, 4, 5, 6, 8 bits in groups of 32, 64, 128; mxfp4 and mxfp8 in groups of 32;
// nvfp4 in groups of 16.
bool is_valid(const Quantization& quantization);

}  // namespace glimt
