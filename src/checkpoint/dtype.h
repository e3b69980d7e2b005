// Element types and shapes of stored tensors, without MLX: model/arrays.h turns them into arrays.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

enum class Dtype { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean, f8_e4m3, f8_e8m0 };

std::size_t size_of(Dtype dtype);                // bytes an element
std::string_view to_string(Dtype dtype);         // "float32", "uint8", …
std::string_view safetensors_name(Dtype dtype);  // "F32", "U8", …
std::optional<Dtype> dtype_from_safetensors_name(std::string_view name);

bool is_float(Dtype dtype);  // float32, float16 or bfloat16: what a weight that is not quantized may be
bool is_byte(Dtype dtype);   // uint8, or an 8-bit float: what the scales of mxfp4, mxfp8 and nvfp4 may be

// Outermost dimension first; every one fits MLX's 32 bits.
using Shape = std::vector<int>;

std::string to_string(const Shape& shape);  // "[2, 3]"

}  // namespace glimt
