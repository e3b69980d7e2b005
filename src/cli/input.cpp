#include "cli/input.h"

#include "base/error.h"
#include "text/utf8.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace glimt {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

}  // namespace

bool stdin_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

std::string read_stdin() {
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EBADF) return text;  // started with stdin closed: as good as empty
    if (n < 0) fail(ErrorKind::invalid_request, "stdin", "cannot read: {}", std::strerror(errno));
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > kMaxBytes) fail(ErrorKind::invalid_request, "stdin", "more than {} bytes", kMaxBytes);
  }
}

void check_utf8(std::string_view text, std::string_view where) {
  if (const auto offset = find_invalid_utf8(text)) {
    fail(ErrorKind::invalid_request, where, "the text is not UTF-8 at byte {}", *offset);
  }
}

}  // namespace glimt
