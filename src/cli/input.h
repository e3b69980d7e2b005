// Text from standard input.
#pragma once

#include <string>
#include <string_view>

namespace glimt {

bool stdin_is_terminal();

// Everything on stdin. Throws invalid_request beyond 64 MiB or when it cannot be read.
std::string read_stdin();

// Throws invalid_request, "where: byte N is not UTF-8".
void check_utf8(std::string_view text, std::string_view where);

}  // namespace glimt
