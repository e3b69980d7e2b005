#include "convert/journal.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace glimt::convert {
Journal::Journal(std::filesystem::path path, std::string plan) : path_(std::move(path)), plan_(std::move(plan)) {
  std::error_code ignored;
  if (!std::filesystem::exists(path_, ignored)) return;
  const std::string text = read_file(path_);
  std::size_t from = 0;
  bool first = true;
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', from)) {
    const std::string line = text.substr(from, end - from);
    if (first && line != plan_) return;
    if (!first) done_.insert(line);
    first = false;
    from = end + 1;  // a line without its end was cut off by a crash
  }
}

void Journal::clear() {
  done_.clear();
  append(plan_ + "\n", O_TRUNC);
}

void Journal::add(const std::vector<std::string>& units) {
  std::string text;
  for (const std::string& unit : units) text += unit + "\n";
  append(text, O_APPEND);
  done_.insert(units.begin(), units.end());
}

void Journal::append(const std::string& text, int flags) {
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666);
  const bool written = fd >= 0 && write_all(fd, text);
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (written) return;
  fail(error == ENOSPC || error == EDQUOT ? ErrorKind::out_of_memory : ErrorKind::bad_file, path_.string(),
       "cannot write: {}", std::strerror(error));
}

}  // namespace glimt::convert
