#include "text/utf8.h"

namespace glimt {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) {
      ++at;
      continue;
    }
    Utf8Assembler assembler;
    std::string out;
    std::size_t n = 0;
    do {
      assembler.push(text.substr(at + n, 1), out);
      ++n;
    } while (assembler.holds_bytes() && at + n < text.size());
    if (assembler.holds_bytes() || out != text.substr(at, n)) return at;
    at += n;
  }
  return std::nullopt;
}

void Utf8Assembler::push(std::string_view bytes, std::string& out) {
  for (const char byte : bytes) push_byte(static_cast<unsigned char>(byte), out);
}

void Utf8Assembler::finish(std::string& out) {
  if (held_ > 0) out += kReplacement;
  held_ = 0;
}

// https://encoding.spec.whatwg.org/#utf-8-decoder
void Utf8Assembler::push_byte(unsigned char byte, std::string& out) {
  if (held_ > 0) {
    if (byte >= low_ && byte <= high_) {
      bytes_[held_++] = static_cast<char>(byte);
      low_ = 0x80;
      high_ = 0xBF;
      if (held_ == wanted_) {
        out.append(bytes_.data(), held_);
        held_ = 0;
      }
      return;
    }
    finish(out);  // the byte may start the next character
  }
  low_ = byte == 0xE0 ? 0xA0 : byte == 0xF0 ? 0x90 : 0x80;   // no overlong forms
  high_ = byte == 0xED ? 0x9F : byte == 0xF4 ? 0x8F : 0xBF;  // no surrogates, nothing beyond U+10FFFF
  if (byte < 0x80) {
    out += static_cast<char>(byte);
  } else if (byte >= 0xC2 && byte <= 0xF4) {
    wanted_ = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    bytes_[0] = static_cast<char>(byte);
    held_ = 1;
  } else {
    out += kReplacement;
  }
}

}  // namespace glimt
