// A .safetensors file's bytes from a header that a test writes down.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace glimt {

inline std::string length_field(std::uint64_t length) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes;
}

inline std::string file_of(const std::string& header, const std::string& data) {
  return length_field(header.size()) + header + data;
}

}  // namespace glimt
