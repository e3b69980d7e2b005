#include "distributed/message.h"

#include "base/error.h"

#include <bit>
#include <cstring>

namespace glimt {

static_assert(std::endian::native == std::endian::little, "messages are little-endian");

MessageWriter& MessageWriter::append(const void* data, std::size_t size) {
  const auto* bytes = static_cast<const std::byte*>(data);
  bytes_.insert(bytes_.end(), bytes, bytes + size);
  return *this;
}

MessageWriter& MessageWriter::put(std::string_view text) { return put(std::as_bytes(std::span(text))); }

MessageWriter& MessageWriter::put(const std::vector<int>& numbers) { return put(std::as_bytes(std::span(numbers))); }

MessageWriter& MessageWriter::put(std::span<const std::byte> bytes) {
  put(static_cast<std::uint64_t>(bytes.size()));
  return append(bytes.data(), bytes.size());
}

std::span<const std::byte> MessageReader::take(std::uint64_t size) {
  if (size > bytes_.size()) fail(ErrorKind::internal, "message", "{} bytes wanted, got {}", size, bytes_.size());
  const std::span<const std::byte> taken = bytes_.first(size);
  bytes_ = bytes_.subspan(size);
  return taken;
}

void MessageReader::copy(void* data, std::size_t size) { std::memcpy(data, take(size).data(), size); }

std::span<const std::byte> MessageReader::stretch() { return take(get<std::uint64_t>()); }

std::string MessageReader::text() {
  const std::span<const std::byte> bytes = stretch();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<int> MessageReader::numbers() {
  const std::span<const std::byte> bytes = stretch();
  if (bytes.size() % sizeof(int) != 0) fail(ErrorKind::internal, "message", "{} bytes are no integers", bytes.size());
  std::vector<int> numbers(bytes.size() / sizeof(int));
  if (!bytes.empty()) std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

}  // namespace glimt
