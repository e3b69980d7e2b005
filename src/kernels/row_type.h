// How the latent cache stores a row. Knows nothing of MLX: options and file formats name it, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace glimt::kernels {

enum class RowType : std::uint8_t {
  f32,
  bf16,
  q8,  // signed bytes, then a float32 scale for each kRowGroup columns
};

// Columns of a q8 row that share a scale.
constexpr int kRowGroup = 64;

// Positions of a block of the cache.
constexpr int kBlockRows = 128;

constexpr std::string_view to_string(RowType type) {
  switch (type) {
    case RowType::f32: return "f32";
    case RowType::bf16: return "bf16";
    case RowType::q8: return "q8";
  }
  return "?";
}

// Where a q8 row of `width` columns has its scales, in bytes: behind the values, aligned to 4.
constexpr std::size_t q8_scales_at(int width) { return (static_cast<std::size_t>(width) + 3) / 4 * 4; }

// Bytes of a row of `width` columns.
constexpr std::size_t row_bytes(RowType type, int width) {
  const auto columns = static_cast<std::size_t>(width);
  switch (type) {
    case RowType::f32: return columns * 4;
    case RowType::bf16: return columns * 2;
    case RowType::q8: return q8_scales_at(width) + (columns + kRowGroup - 1) / kRowGroup * sizeof(float);
  }
  return 0;
}

}  // namespace glimt::kernels
