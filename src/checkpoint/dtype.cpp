#include "checkpoint/dtype.h"

#include <array>

namespace glimt {
namespace {

struct Entry {
  Dtype dtype;
  std::size_t size;
  std::string_view name;
  std::string_view safetensors;
};
constexpr std::array<Entry, 15> kDtypes = {{{Dtype::f64, 8, "float64", "F64"},
                                            {Dtype::f32, 4, "float32", "F32"},
                                            {Dtype::f16, 2, "float16", "F16"},
                                            {Dtype::bf16, 2, "bfloat16", "BF16"},
                                            {Dtype::i64, 8, "int64", "I64"},
                                            {Dtype::i32, 4, "int32", "I32"},
                                            {Dtype::i16, 2, "int16", "I16"},
                                            {Dtype::i8, 1, "int8", "I8"},
                                            {Dtype::u64, 8, "uint64", "U64"},
                                            {Dtype::u32, 4, "uint32", "U32"},
                                            {Dtype::u16, 2, "uint16", "U16"},
                                            {Dtype::u8, 1, "uint8", "U8"},
                                            {Dtype::boolean, 1, "bool", "BOOL"},
                                            {Dtype::f8_e4m3, 1, "float8_e4m3", "F8_E4M3"},
                                            {Dtype::f8_e8m0, 1, "float8_e8m0", "F8_E8M0"}}};

const Entry& entry_of(Dtype dtype) {
  for (const Entry& entry : kDtypes) {
    if (entry.dtype == dtype) return entry;
  }
  return kDtypes[0];
}

}  // namespace

std::size_t size_of(Dtype dtype) { return entry_of(dtype).size; }
std::string_view to_string(Dtype dtype) { return entry_of(dtype).name; }
std::string_view safetensors_name(Dtype dtype) { return entry_of(dtype).safetensors; }

std::optional<Dtype> dtype_from_safetensors_name(std::string_view name) {
  for (const Entry& entry : kDtypes) {
    if (entry.safetensors == name) return entry.dtype;
  }
  return std::nullopt;
}

bool is_float(Dtype dtype) { return dtype == Dtype::f32 || dtype == Dtype::f16 || dtype == Dtype::bf16; }
bool is_byte(Dtype dtype) { return dtype == Dtype::u8 || dtype == Dtype::f8_e4m3 || dtype == Dtype::f8_e8m0; }

std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (const int dim : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(dim);
  return out + "]";
}

}  // namespace glimt
