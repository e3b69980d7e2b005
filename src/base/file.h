// Whole files in, whole files out, with errors that name the file.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace glimt {

// The content of a regular file of at most `max_bytes`. Throws not_found, or bad_file if it is larger or unreadable.
std::string read_file(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{1} << 30);

// Makes the folder and those above it where they are not there yet. Throws bad_file.
void make_folder(const std::filesystem::path& folder);

// What an ordinary user may still write to the disk of `folder`; nothing where the system does not tell.
std::optional<std::uint64_t> free_disk_bytes(const std::filesystem::path& folder);

// When the file's content was changed last, as stat(2) says.
inline timespec modification_time(const struct stat& info) {
#ifdef __APPLE__
  return info.st_mtimespec;
#else
  return info.st_mtim;
#endif
}

// All of `bytes`, where the file is. False, with errno, if the system takes no more.
bool write_all(int fd, std::string_view bytes);

// All of `bytes`, from byte `at` of the file on. False, with errno, if the system takes no more.
bool write_all_at(int fd, std::uint64_t at, std::span<const std::byte> bytes);

// Who may read a file that this program makes.
enum class FileAccess : std::uint8_t {
  usual,      // whom the process' umask lets; a file that is replaced keeps its permissions
  owner_only  // what a user said: conversations, sessions, histories
};

// A file that is written in pieces under a temporary name beside `path`. commit() puts it in place of what is there: a
// reader, also one after a crash of the machine, sees the old content or the new, never half. Without a commit it
// leaves nothing behind. Where `path` is a link, the file that it leads to is replaced. All functions throw bad_file,
// which names `path`; used by one thread.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& path, FileAccess access = FileAccess::usual);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void append(std::string_view bytes);
  void append(std::span<const std::byte> bytes);

  // On the disk, under its name, when it returns. REQUIRES that it is the last call.
  void commit();

 private:
  [[noreturn]] void fail_to(const char* what) const;  // with what errno says

  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
};

// The same for content that is there at once.
void write_file_atomically(const std::filesystem::path& path, std::string_view content,
                           FileAccess access = FileAccess::usual);

// Read-only memory map of a regular file, at an address that is a multiple of kHugePage if the file has that size;
// shared with the page cache, unmapped on destruction. Movable, not copyable.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);  // throws not_found, bad_file
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  // Hints for a file that is read piece by piece: these bytes are needed soon, and the system may read them meanwhile;
  // or they are not needed for a while, and their pages no longer count as this program's. Both change nothing that can
  // be read. REQUIRES of drop that no HugePages moved the file.
  void expect(std::size_t offset, std::size_t bytes) const;
  void drop(std::size_t offset, std::size_t bytes) const;

 private:
  void advise(std::size_t offset, std::size_t bytes, int advice) const;

  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace glimt
