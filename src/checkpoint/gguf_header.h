// The beginning of a GGUF file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): metadata and the table of
// tensors. Every number is checked before it is used: no length, count or product of a hostile file reaches beyond the
// file or makes the parser take more memory than a small multiple of the header's own bytes.
#pragma once

#include "checkpoint/dtype.h"
#include "checkpoint/gguf_type.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>

namespace glimt {

// Metadata that is a list: what is in it is not kept.
struct GgufArray {
  std::uint64_t count = 0;
};

using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, GgufArray>;

struct GgufTensor {
  std::uint32_t type;  // see find_gguf_type, which has it
  Shape shape;         // outermost dimension first, the reverse of the file's order; the last is whole blocks
  std::size_t offset;  // from the start of the file
  std::size_t nbytes;
};

struct GgufHeader {
  std::map<std::string, GgufValue> metadata;
  std::map<std::string, GgufTensor> tensors;
};

// `file` are the bytes of the whole file, `name` its name for messages. Tensors lie behind the header, at multiples of
// general.alignment, inside of the file and not over each other. Throws bad_file (what was wanted and got), or
// unsupported: versions but 2 and 3, big-endian files, unknown types.
GgufHeader parse_gguf_header(std::span<const std::byte> file, const std::string& name);

}  // namespace glimt
