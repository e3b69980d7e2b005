#include "base/file.h"

#include "base/error.h"
#include "base/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace glimt {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

struct OpenFile {
  FileDescriptor fd;
  std::size_t size;
};

OpenFile open_regular(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // O_NONBLOCK: a FIFO must not hang us
  if (fd < 0) {
    const int error = errno;
    fail(error == ENOENT || error == ENOTDIR ? ErrorKind::not_found : ErrorKind::bad_file, path.string(),
         "cannot open: {}", std::strerror(error));
  }
  struct stat info {};
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    ::close(fd);
    fail(ErrorKind::bad_file, path.string(), "not a regular file");
  }
  return {FileDescriptor(fd), static_cast<std::size_t>(info.st_size)};
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const OpenFile file = open_regular(path);
  if (file.size > max_bytes) {
    fail(ErrorKind::bad_file, path.string(), "is {} bytes long, at most {} wanted", file.size, max_bytes);
  }
  std::string content(file.size, '\0');
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::read(file.fd.get(), content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      fail(ErrorKind::bad_file, path.string(), "read {} of {} bytes: {}", done, content.size(),
           n < 0 ? std::strerror(errno) : "the file became shorter");
    }
    done += static_cast<std::size_t>(n);
  }
  return content;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content) {
  std::string temporary = path.string() + ".XXXXXX";
  const FileDescriptor fd(::mkstemp(temporary.data()));
  if (fd.get() < 0) fail(ErrorKind::bad_file, path.string(), "cannot write: {}", std::strerror(errno));
  const auto give_up = [&](const char* what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    fail(ErrorKind::bad_file, path.string(), "cannot {}: {}", what, std::strerror(error));
  };
  while (!content.empty()) {
    const ssize_t n = ::write(fd.get(), content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) give_up("write");
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fchmod(fd.get(), 0644) != 0 || ::fsync(fd.get()) != 0) give_up("write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) give_up("rename the new file");
}

MappedFile::MappedFile(const std::filesystem::path& path) {
  const OpenFile file = open_regular(path);
  size_ = file.size;
  if (size_ == 0) return;  // mmap refuses empty files; the caller sees size() == 0
  std::byte* room = size_ >= kHugePage ? reserve_aligned(size_) : nullptr;
  void* address = ::mmap(room, size_, PROT_READ, MAP_SHARED | (room != nullptr ? MAP_FIXED : 0), file.fd.get(), 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    if (room != nullptr) ::munmap(room, size_);
    fail(ErrorKind::bad_file, path.string(), "cannot map {} bytes: {}", size_, std::strerror(error));
  }
  data_ = static_cast<const std::byte*>(address);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace glimt
