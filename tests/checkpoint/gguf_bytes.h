// The bytes of a GGUF file that a test writes down.
#pragma once

#include "checkpoint/gguf_type.h"

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace glimt {

template <typename T>
std::string bytes_of(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

class GgufBytes {
 public:
  static std::string text(std::string_view value) { return bytes_of<std::uint64_t>(value.size()) + std::string(value); }

  // `type` and `value` as the file has them.
  GgufBytes& entry(std::string_view key, std::uint32_t type, const std::string& value) {
    entries_ += text(key) + bytes_of(type) + value;
    ++entry_count_;
    return *this;
  }
  GgufBytes& set(std::string_view key, std::uint32_t value) { return entry(key, 4, bytes_of(value)); }
  GgufBytes& set(std::string_view key, float value) { return entry(key, 6, bytes_of(value)); }
  GgufBytes& set(std::string_view key, bool value) { return entry(key, 7, std::string(1, value ? 1 : 0)); }
  GgufBytes& set(std::string_view key, const char* value) { return entry(key, 8, text(value)); }

  // `shape`: outermost dimension first.
  GgufBytes& tensor(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type,
                    const std::string& data) {
    return describe(name, std::move(shape), type, data_.size(), data);
  }
  GgufBytes& tensor(std::string_view name, std::vector<std::uint64_t> shape, GgufType type, const std::string& data) {
    return tensor(name, std::move(shape), static_cast<std::uint32_t>(type), data);
  }

  // One whose offset is said to be another.
  GgufBytes& describe(std::string_view name, std::vector<std::uint64_t> shape, std::uint32_t type, std::uint64_t offset,
                      const std::string& data) {
    tensors_ += text(name) + bytes_of(static_cast<std::uint32_t>(shape.size()));
    for (auto size = shape.rbegin(); size != shape.rend(); ++size) tensors_ += bytes_of(*size);
    tensors_ += bytes_of(type) + bytes_of(offset);
    data_ += data;
    data_.resize((data_.size() + kAlignment - 1) / kAlignment * kAlignment);
    ++tensor_count_;
    return *this;
  }

  std::string build(std::uint32_t version = 3) const {
    std::string file =
        "GGUF" + bytes_of(version) + bytes_of(tensor_count_) + bytes_of(entry_count_) + entries_ + tensors_;
    file.resize((file.size() + kAlignment - 1) / kAlignment * kAlignment);
    return file + data_;
  }

 private:
  static constexpr std::size_t kAlignment = 32;
  std::string entries_, tensors_, data_;
  std::uint64_t entry_count_ = 0, tensor_count_ = 0;
};

}  // namespace glimt
