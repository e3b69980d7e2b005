// How GGUF files store the elements of tensors (https://github.com/ggml-org/ggml, ggml-common.h): single numbers, or
// blocks of a row's elements with common scales.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace glimt {

// The numbers are those of the files.
enum class GgufType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  iq4_nl = 20,
  iq4_xs = 23,
  bf16 = 30,
  mxfp4 = 39,
};

struct GgufTypeInfo {
  std::uint32_t id;
  std::string_view name;  // ggml's
  int block = 1;          // elements
  int bytes = 0;          // of a block
  bool read = false;      // glimt knows what the bytes mean; else only how many they are
};

// nullptr for a type that this table does not have.
const GgufTypeInfo* find_gguf_type(std::uint32_t id);

const GgufTypeInfo& info_of(GgufType type);

}  // namespace glimt
