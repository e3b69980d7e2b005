#include "checkpoint/gguf_part.h"

#include "base/error.h"
#include "checkpoint/gguf_blocks.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

namespace glimt {
namespace {

std::optional<Dtype> float_type_of(GgufType type) {
  switch (type) {
    case GgufType::f32: return Dtype::f32;
    case GgufType::f16: return Dtype::f16;
    case GgufType::bf16: return Dtype::bf16;
    default: return std::nullopt;
  }
}

NamedGgufPart part_of(std::string name, const GgufEntry& entry, GgufPartKind kind, Dtype dtype, int columns) {
  Shape shape = entry.shape;
  shape.back() = columns;
  std::size_t bytes = size_of(dtype);
  for (const int size : shape) bytes *= static_cast<std::size_t>(size);
  return {std::move(name), {kind, entry.type, entry.offset}, {dtype, std::move(shape), 0, bytes}};
}

// Bytes of a part that one block makes.
std::size_t made_of_block(const GgufPart& part) {
  const auto elements = static_cast<std::size_t>(info_of(part.type).block);
  const std::optional<Quantization> q = gguf_groups(part.type);
  switch (part.kind) {
    case GgufPartKind::plain: return static_cast<std::size_t>(info_of(part.type).bytes);
    case GgufPartKind::values: return elements * sizeof(float);
    case GgufPartKind::codes: return elements * static_cast<std::size_t>(q->bits) / 8;
    case GgufPartKind::scales:
    case GgufPartKind::biases: {
      const std::size_t groups = elements / static_cast<std::size_t>(q->group_size);
      return q->mode == QuantMode::affine ? groups * sizeof(std::uint16_t) : groups;
    }
  }
  return 1;
}

}  // namespace

std::vector<NamedGgufPart> gguf_parts(const std::string& name, const GgufEntry& entry) {
  const int columns = entry.shape.empty() ? 1 : entry.shape.back();
  if (const std::optional<Dtype> dtype = float_type_of(entry.type)) {
    GgufEntry whole = entry;
    if (whole.shape.empty()) whole.shape = {1};
    return {part_of(name, whole, GgufPartKind::plain, *dtype, columns)};
  }
  const std::optional<Quantization> q = gguf_groups(entry.type);
  constexpr std::string_view kWeight = ".weight";
  if (!q || !name.ends_with(kWeight)) return {part_of(name, entry, GgufPartKind::values, Dtype::f32, columns)};
  const std::string path = name.substr(0, name.size() - kWeight.size());
  const bool affine = q->mode == QuantMode::affine;
  const int groups = columns / q->group_size;
  std::vector<NamedGgufPart> parts = {
      part_of(name, entry, GgufPartKind::codes, Dtype::u32, groups * q->group_size * q->bits / 32),
      part_of(path + ".scales", entry, GgufPartKind::scales, affine ? Dtype::f16 : Dtype::u8, groups)};
  if (affine) parts.push_back(part_of(path + ".biases", entry, GgufPartKind::biases, Dtype::f16, groups));
  return parts;
}

FileRange gguf_range(const GgufPart& part, std::size_t begin, std::size_t end) {
  const std::size_t made = made_of_block(part), stored = static_cast<std::size_t>(info_of(part.type).bytes);
  if (begin % made != 0 || end % made != 0 || end < begin) {
    fail(ErrorKind::internal, "gguf_range", "bytes {} to {} are no whole blocks of {}", begin, end, made);
  }
  return {part.offset + begin / made * stored, (end - begin) / made * stored};
}

bool decode_gguf(const GgufPart& part, std::span<const std::byte> blocks, std::span<std::byte> out) {
  auto* const bytes = reinterpret_cast<unsigned char*>(out.data());
  switch (part.kind) {
    case GgufPartKind::plain: std::copy(blocks.begin(), blocks.end(), out.begin()); return true;
    case GgufPartKind::codes: return repack_gguf(part.type, blocks, {bytes, nullptr, nullptr});
    case GgufPartKind::scales: return repack_gguf(part.type, blocks, {nullptr, bytes, nullptr});
    case GgufPartKind::biases: return repack_gguf(part.type, blocks, {nullptr, nullptr, bytes});
    case GgufPartKind::values: break;
  }
  std::vector<float> values(out.size() / sizeof(float));
  dequantize_gguf(part.type, blocks, values);
  std::memcpy(out.data(), values.data(), out.size());
  return true;
}

}  // namespace glimt
