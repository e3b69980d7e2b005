// Tensors of a checkpoint's files as MLX arrays.
#pragma once

#include "checkpoint/safetensors.h"

#include <mlx/mlx.h>

#include <cstdint>
#include <string>

namespace glimt {

namespace mx = mlx::core;

mx::Dtype mlx_dtype(Dtype dtype);  // 8-bit floats are bytes to MLX
mx::Shape mlx_shape(const Shape& shape);

// Where in memory an array may begin.
enum class ArrayOffset : std::uint8_t {
  aligned,  // at a multiple of its element's size, as MLX's own operations need it
  any,      // wherever the file has it: our kernels read weights at any address
};

// The bytes that `info` names as an array. On the CPU it lies in the mapped file, without a copy, and keeps the map
// alive, unless it has to be aligned and is not in the file. On a GPU it is a copy. REQUIRES that the bytes are in the
// file.
mx::array array_of(const SafetensorsFile& file, const TensorInfo& info, ArrayOffset offset = ArrayOffset::aligned);

// Indices `from` to `to` of one of a tensor's axes. Where they are one stretch of the file's bytes it is as array_of, else
// a copy. REQUIRES 0 <= from <= to <= shape[axis].
mx::array array_of_part(const SafetensorsFile& file, const TensorInfo& info, std::size_t axis, int from, int to,
                        ArrayOffset offset = ArrayOffset::aligned);

// A whole tensor. REQUIRES that the name exists.
mx::array array_of(const SafetensorsFile& file, const std::string& name, ArrayOffset offset = ArrayOffset::aligned);

}  // namespace glimt
