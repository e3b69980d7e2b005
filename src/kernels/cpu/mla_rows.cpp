#include "kernels/cpu/mla_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace glimt::cpu {
namespace {

std::uint16_t to_bf16(float x) {  // to nearest, ties to even
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (std::isnan(x)) return static_cast<std::uint16_t>((bits >> 16) | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

void store_q8(const float* values, int width, void* row) {
  auto* bytes = static_cast<std::int8_t*>(row);
  auto* scales = reinterpret_cast<float*>(bytes + q8_scales_at(width));
  for (int first = 0; first < width; first += kRowGroup) {
    const int last = std::min(first + kRowGroup, width);
    float largest = 0;
    bool finite = true;
    for (int i = first; i < last; ++i) {
      finite = finite && std::isfinite(values[i]);
      largest = std::max(largest, std::abs(values[i]));
    }
    // Below the smallest normal number the reciprocal would be infinite; such values are zero beside any others.
    const bool tiny = largest < 1e-30f;
    const float scale = !finite ? std::nanf("") : tiny ? 0.0f : largest / 127;
    const float inverse = !finite || tiny ? 0.0f : 127 / largest;
    scales[first / kRowGroup] = scale;
    for (int i = first; i < last; ++i)
      bytes[i] = finite ? static_cast<std::int8_t>(std::lrint(values[i] * inverse)) : std::int8_t{1};
  }
}

}  // namespace

void store_row(RowType format, const float* values, int width, void* row) {
  switch (format) {
    case RowType::f32: std::memcpy(row, values, static_cast<std::size_t>(width) * sizeof(float)); break;
    case RowType::bf16:
      for (int i = 0; i < width; ++i) static_cast<std::uint16_t*>(row)[i] = to_bf16(values[i]);
      break;
    case RowType::q8: store_q8(values, width, row); break;
  }
}

void load_row(RowType format, const void* row, int width, float* values) {
  if (format == RowType::f32) {
    std::memcpy(values, row, static_cast<std::size_t>(width) * sizeof(float));
    return;
  }
  std::vector<std::uint16_t> expanded;
  const auto* halves = static_cast<const std::uint16_t*>(row);
  if (format == RowType::q8) {
    expanded.resize(static_cast<std::size_t>(width));
    expand_q8_row(row, width, expanded.data());
    halves = expanded.data();
  }
  for (int i = 0; i < width; ++i) values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(halves[i]) << 16);
}

void expand_q8_row(const void* row, int width, std::uint16_t* out) {
  const auto* bytes = static_cast<const std::int8_t*>(row);
  const auto* scales = reinterpret_cast<const float*>(bytes + q8_scales_at(width));
  for (int first = 0; first < width; first += kRowGroup) {
    const float scale = scales[first / kRowGroup];
    for (int i = first; i < std::min(first + kRowGroup, width); ++i)
      out[i] = to_bf16(static_cast<float>(bytes[i]) * scale);
  }
}

}  // namespace glimt::cpu
