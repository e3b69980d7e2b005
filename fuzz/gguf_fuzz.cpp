// The bytes are a GGUF file. It is refused with an Error, or its tensors lie in it, not over each other, and every block
// of a type that is read can be dequantized and repacked.
#include "checkpoint/gguf_blocks.h"
#include "checkpoint/gguf_config.h"
#include "checkpoint/gguf_header.h"
#include "checkpoint/gguf_model.h"

#include "base/error.h"
#include "checkpoint/config.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

void read_blocks(glimt::GgufType type, std::span<const std::byte> blocks) {
  const glimt::GgufTypeInfo& info = glimt::info_of(type);
  const std::size_t elements =
      blocks.size() / static_cast<std::size_t>(info.bytes) * static_cast<std::size_t>(info.block);
  std::vector<float> values(elements);
  glimt::dequantize_gguf(type, blocks, values);
  const auto q = glimt::gguf_groups(type);
  if (!q) return;
  std::vector<unsigned char> codes(elements * static_cast<std::size_t>(q->bits) / 8);
  std::vector<std::uint16_t> scales(elements / 32), biases(elements / 32);
  static_cast<void>(glimt::repack_gguf(type, blocks, {codes.data(), scales.data(), biases.data()}));
}

void check(std::span<const std::byte> file) {
  const glimt::GgufHeader header = glimt::parse_gguf_header(file, "fuzz");
  std::vector<std::pair<std::size_t, std::size_t>> places;
  for (const auto& [name, tensor] : header.tensors) {
    require(tensor.offset <= file.size() && tensor.nbytes <= file.size() - tensor.offset);
    places.emplace_back(tensor.offset, tensor.nbytes);
    if (glimt::find_gguf_type(tensor.type)->read) {
      read_blocks(static_cast<glimt::GgufType>(tensor.type), file.subspan(tensor.offset, tensor.nbytes));
    }
    static_cast<void>(glimt::name_of_gguf_tensor(name));
  }
  std::sort(places.begin(), places.end());
  for (std::size_t i = 1; i < places.size(); ++i) {
    require(places[i - 1].first + places[i - 1].second <= places[i].first);
  }
  static_cast<void>(glimt::Config::from_json(glimt::gguf_config(header, "fuzz"), "fuzz"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    check(std::as_bytes(std::span(data, size)));
  } catch (const glimt::Error&) {
  }
  return 0;
}
