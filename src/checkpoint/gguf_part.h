// A tensor of a GGUF file as tensors that a safetensors file of MLX would have: codes, scales and biases where its
// blocks are groups of MLX, else floats. They are made of the blocks when they are read.
#pragma once

#include "checkpoint/gguf_model.h"
#include "checkpoint/safetensors_header.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace glimt {

enum class GgufPartKind : std::uint8_t { plain, values, codes, scales, biases };

struct GgufPart {
  GgufPartKind kind;
  GgufType type;
  std::size_t offset;  // of the blocks in the file
};

// A part, what it is called, and its shape; info.offset has no meaning.
struct NamedGgufPart {
  std::string name;
  GgufPart part;
  TensorInfo info;
};

// `name`: ours, of the whole. Rows that are no whole groups cannot be: blocks would not be whole either.
std::vector<NamedGgufPart> gguf_parts(const std::string& name, const GgufEntry& entry);

// Which bytes of the file bytes [begin, end) of a part are made of. REQUIRES that they are whole blocks.
struct FileRange {
  std::size_t offset, nbytes;
};
FileRange gguf_range(const GgufPart& part, std::size_t begin, std::size_t end);

// The bytes of a part that `blocks` amount to. Returns false where a scale or a bias is no finite float16.
[[nodiscard]] bool decode_gguf(const GgufPart& part, std::span<const std::byte> blocks, std::span<std::byte> out);

}  // namespace glimt
