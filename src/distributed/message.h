// Messages between ranks: numbers, texts and stretches of bytes one behind the other, as a little-endian machine has
// them in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace glimt {

using Bytes = std::vector<std::byte>;

template <typename T>
concept MessageNumber = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class MessageWriter {
 public:
  template <MessageNumber T>
  MessageWriter& put(T number) {
    return append(&number, sizeof number);
  }
  MessageWriter& put(std::string_view text);
  MessageWriter& put(const std::vector<int>& numbers);
  MessageWriter& put(std::span<const std::byte> bytes);

  const Bytes& bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  void clear() { bytes_.clear(); }

 private:
  MessageWriter& append(const void* data, std::size_t size);

  Bytes bytes_;
};

// Reads what a MessageWriter wrote. Everything throws internal where the message is shorter than it says. The bytes must
// outlive it.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <MessageNumber T>
  T get() {
    T number{};
    copy(&number, sizeof number);
    return number;
  }
  std::string text();
  std::vector<int> numbers();
  std::span<const std::byte> stretch();

  bool at_end() const { return bytes_.empty(); }

 private:
  void copy(void* data, std::size_t size);
  std::span<const std::byte> take(std::uint64_t size);

  std::span<const std::byte> bytes_;
};

}  // namespace glimt
