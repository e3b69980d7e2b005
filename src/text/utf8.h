// UTF-8, whole texts and streams.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace glimt {

// The offset of the first byte that is not part of a whole, valid character, or nothing.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Puts characters together from bytes that arrive in pieces of any size. Ill-formed bytes become U+FFFD, one for each
// maximal part of a character, as the WHATWG decoder, Rust and Python do.
class Utf8Assembler {
 public:
  void push(std::string_view bytes, std::string& out);  // appends every character that is complete
  void finish(std::string& out);                        // appends U+FFFD if a character was left incomplete
  bool holds_bytes() const { return held_ > 0; }

 private:
  void push_byte(unsigned char byte, std::string& out);

  std::array<char, 4> bytes_{};
  std::size_t held_ = 0;      // bytes of an incomplete character
  std::size_t wanted_ = 0;    // its length
  unsigned char low_ = 0x80;  // what the next byte may be
  unsigned char high_ = 0xBF;
};

}  // namespace glimt
