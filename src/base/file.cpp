#include "base/file.h"

#include "base/error.h"
#include "base/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
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

// Creates a file of a name that is not taken yet, beside `path`; its name, and its descriptor or -1 with errno in `fd`.
// mkstemp would give it to its owner alone, and only the kernel knows the umask without changing it for all threads.
std::string create_beside(const std::filesystem::path& path, mode_t mode, int& fd) {
  std::random_device random;
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::string name = fmt::format("{}.{:08x}", path.string(), random());
    fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) return name;
    if (errno != EEXIST) break;
  }
  return {};
}

}  // namespace

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::bad_file, folder.string(), "cannot make the folder: {}", error.message());
}

std::optional<std::uint64_t> free_disk_bytes(const std::filesystem::path& folder) {
  struct statvfs disk {};
  if (::statvfs(folder.c_str(), &disk) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool write_all_at(int fd, std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    at += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

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

AtomicFile::AtomicFile(const std::filesystem::path& path, FileAccess access) : path_(path) {
  std::error_code error;
  if (std::filesystem::is_symlink(path, error)) {
    const std::filesystem::path target = std::filesystem::weakly_canonical(path, error);
    if (!error) path_ = target;
  }
  struct stat old {};
  const bool replaces = ::stat(path_.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) fail(ErrorKind::bad_file, path_.string(), "cannot write: not a regular file");
  constexpr mode_t kOwner = 0600, kEverybody = 0666;  // the latter less the umask
  temporary_ = create_beside(path_, access == FileAccess::usual && !replaces ? kEverybody : kOwner, fd_);
  if (fd_ < 0) fail_to("write");
  // Without this permission the content is still written, for its owner alone.
  if (replaces && access == FileAccess::usual) static_cast<void>(::fchmod(fd_, old.st_mode & 0777));
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::append(std::string_view bytes) {
  if (!write_all(fd_, bytes)) fail_to("write");
}

void AtomicFile::append(std::span<const std::byte> bytes) {
  append(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_to("write");
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail_to("rename the new file");
  temporary_.clear();
  // The new name is on the disk when the folder is. Some file systems cannot do that, and some folders may not be
  // opened.
  const std::filesystem::path folder = path_.has_parent_path() ? path_.parent_path() : ".";
  const FileDescriptor open_folder(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (open_folder.get() >= 0 && ::fsync(open_folder.get()) != 0 && errno == EIO) fail_to("write the folder of");
}

void AtomicFile::fail_to(const char* what) const {
  fail(ErrorKind::bad_file, path_.string(), "cannot {}: {}", what, std::strerror(errno));
}

void write_file_atomically(const std::filesystem::path& path, std::string_view content, FileAccess access) {
  AtomicFile file(path, access);
  file.append(content);
  file.commit();
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

void MappedFile::expect(std::size_t offset, std::size_t bytes) const { advise(offset, bytes, MADV_WILLNEED); }

void MappedFile::drop(std::size_t offset, std::size_t bytes) const { advise(offset, bytes, MADV_DONTNEED); }

// Of whole pages; the bytes beside the asked ones that share one with them are read again when they are needed.
void MappedFile::advise(std::size_t offset, std::size_t bytes, int advice) const {
  static const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  offset = std::min(offset, size_);
  bytes = std::min(bytes, size_ - offset);
  if (bytes == 0) return;
  const std::size_t begin = offset / page * page;  // a map begins at a page
  static_cast<void>(::madvise(const_cast<std::byte*>(data_) + begin, offset + bytes - begin, advice));
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

}  // namespace glimt
