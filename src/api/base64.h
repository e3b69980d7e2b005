// Base64 of RFC 4648, section 4, with padding.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace glimt {

std::string base64_encode(std::string_view bytes);

// Nothing for a text that base64_encode does not write.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace glimt
