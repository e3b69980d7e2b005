#include "hub/clone_or_copy.h"

#include "base/error.h"
#include "base/file.h"

#include <fcntl.h>
#include <unistd.h>
#if defined(__linux__)
#include <linux/fs.h>
#include <sys/ioctl.h>
#elif defined(__APPLE__)
#include <sys/clonefile.h>
#endif

#include <algorithm>
#include <span>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kSmallFile = std::uintmax_t{1} << 20;
constexpr std::size_t kPiece = std::size_t{4} << 20;

// A file that shares its blocks with `from`; false where the file system cannot do that.
bool clone_file([[maybe_unused]] const fs::path& from, [[maybe_unused]] const fs::path& to) {
#if defined(__linux__)
  const int source = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  if (source < 0) return false;
  const int target = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  const bool cloned = target >= 0 && ::ioctl(target, FICLONE, source) == 0 && ::fsync(target) == 0;
  if (target >= 0) ::close(target);
  ::close(source);
  if (!cloned && target >= 0) ::unlink(to.c_str());
  return cloned;
#elif defined(__APPLE__)
  return ::clonefile(from.c_str(), to.c_str(), 0) == 0;
#else
  return false;
#endif
}

void copy_bytes(const fs::path& from, const fs::path& to) {
  const MappedFile source(from);
  AtomicFile target(to);
  for (std::size_t at = 0; at < source.size(); at += kPiece) {
    target.append(std::span(source.data() + at, std::min(kPiece, source.size() - at)));
  }
  target.commit();
}

}  // namespace

void clone_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  const fs::path real = fs::canonical(from, error);
  const std::uintmax_t size = error ? 0 : fs::file_size(real, error);
  if (error) fail(ErrorKind::bad_file, from.string(), "cannot be copied: {}", error.message());
  if (size > kSmallFile) {
    if (clone_file(real, to)) return;
    fs::create_hard_link(real, to, error);
    if (!error) return;
  }
  copy_bytes(real, to);
}

}  // namespace glimt
