// Blocks of GGUF's types as what MLX has: groups of quantized values where the two are the same, code for code, and
// floats where they are not.
#pragma once

#include "checkpoint/gguf_type.h"
#include "kernels/quantization.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace glimt {

// The quantization of MLX whose groups blocks of this type are:
//   Q4_0, Q4_1, Q4_K   affine 4 bits group 32        Q8_0    affine 8 bits group 32
//   Q5_0, Q5_1, Q5_K   affine 5 bits group 32        MXFP4   mxfp4
// Affine scales and biases are float16, in which those of Q4_0 … Q8_0 are exact; those of Q4_K and Q5_K, products of a
// float16 and 6 bits, are rounded to it, which moves a value by 0.4 % of a step at most.
std::optional<Quantization> gguf_groups(GgufType type);

// Where the groups go, for `count` elements: codes as one stream of bits, lowest first, which is how MLX packs them
// (count · bits / 8 bytes); a scale a group (float16, or a byte), and a bias (float16, affine only). What is null is not
// wanted.
struct GgufGroups {
  unsigned char* codes = nullptr;
  void* scales = nullptr;
  void* biases = nullptr;
};

// REQUIRES a type with gguf_groups, and whole blocks. Returns false where a scale or a bias is no finite float16.
[[nodiscard]] bool repack_gguf(GgufType type, std::span<const std::byte> blocks, const GgufGroups& groups);

// The elements as float32, exactly as ggml dequantizes them. REQUIRES a type that is read, whole blocks, and as many
// values.
void dequantize_gguf(GgufType type, std::span<const std::byte> blocks, std::span<float> values);

}  // namespace glimt
