// The header of a .safetensors file (https://github.com/huggingface/safetensors#format). It is checked strictly before
// anything uses it, because other readers accept malformed ones: every tensor's byte range must equal its shape and
// dtype, and the ranges must cover the data from 0 to the end of the file without overlap, hole or rest.
#pragma once

#include "checkpoint/dtype.h"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace glimt {

struct TensorInfo {
  Dtype dtype;
  Shape shape;
  std::size_t offset;  // from the start of the file
  std::size_t nbytes;
};

struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
};

// `header` is the JSON text, `data_start` where in the file the data begins, `file_size` where it ends, `file` its name
// for messages. Throws bad_file (file, tensor, what was wanted and got) or unsupported (a dtype).
SafetensorsHeader parse_safetensors_header(std::string_view header, std::size_t data_start, std::size_t file_size,
                                           const std::string& file);

}  // namespace glimt
