#include "hub/part_file.h"

#include "base/error.h"
#include "base/file.h"
#include "hub/workspace.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace glimt {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHashPiece = std::size_t{1} << 20;

DigestKind kind_of(const FileRecord& record) {
  return record.sha256.empty() ? DigestKind::git_blob : DigestKind::sha256;
}

std::size_t parts_of(std::uint64_t size, std::uint64_t part_bytes) {
  return static_cast<std::size_t>(std::max<std::uint64_t>(1, (size + part_bytes - 1) / part_bytes));
}

// The system would leave much of a file in memory up to the fsync, which then takes its time while nothing is fetched.
void begin_to_store([[maybe_unused]] int fd, [[maybe_unused]] std::uint64_t begin, [[maybe_unused]] std::uint64_t end) {
#if defined(__linux__)
  static_cast<void>(
      ::sync_file_range(fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin), SYNC_FILE_RANGE_WRITE));
#endif
}

}  // namespace

PartFile::PartFile(const fs::path& folder, FileRecord record, std::uint64_t part_bytes)
    : folder_(folder),
      record_(std::move(record)),
      part_bytes_(part_bytes),
      done_(parts_of(record_.size, part_bytes)),
      digest_(kind_of(record_), record_.size) {
  std::error_code ignored;
  finished_ = fs::is_regular_file(path(), ignored) && fs::file_size(path(), ignored) == record_.size;
  if (!finished_) open();
}

PartFile::~PartFile() {
  if (data_ >= 0) ::close(data_);
  if (progress_ >= 0) ::close(progress_);
}

void PartFile::fail_to(const char* what) const {
  const int error = errno;
  fail(ErrorKind::bad_file, file(".part").string(), "cannot {} ({}): {}", what, record_.path, std::strerror(error));
}

void PartFile::open() {
  data_ = ::open(file(".part").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (data_ < 0) fail_to("open");
  progress_ = ::open(file(".progress").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (progress_ < 0) fail_to("open the progress of");
  load_progress();
}

// The numbers of a file with other parts mean nothing. Bytes that the data's file does not have were never written.
void PartFile::load_progress() {
  struct stat info {};
  if (::fstat(progress_, &info) != 0) fail_to("look at the progress of");
  const std::size_t bytes = done_.size() * sizeof done_[0];
  if (static_cast<std::size_t>(info.st_size) != bytes ||
      ::pread(progress_, done_.data(), bytes, 0) != static_cast<ssize_t>(bytes) || ::fstat(data_, &info) != 0) {
    return reset(done_.size());
  }
  const auto size = static_cast<std::uint64_t>(info.st_size);
  for (std::size_t part = 0; part < done_.size(); ++part) {
    const std::uint64_t begin = begin_of(part), end = std::min(end_of(part), std::max(size, begin));
    done_[part] = std::min(done_[part], end - begin);
  }
}

void PartFile::reset(std::size_t parts) {
  done_.assign(parts, 0);
  ++round_;
  hashed_ = 0;
  digest_ = Digest(kind_of(record_), record_.size);
  if (::ftruncate(data_, 0) != 0 || ::ftruncate(progress_, 0) != 0) fail_to("begin anew");
  if (!write_all_at(progress_, 0, std::as_bytes(std::span(done_)))) fail_to("write the progress of");
}

void PartFile::save_progress(std::size_t part) {
  const std::span number(&done_[part], 1);
  if (!write_all_at(progress_, part * sizeof done_[0], std::as_bytes(number))) fail_to("write the progress of");
}

fs::path PartFile::path() const { return folder_ / hash(); }

bool PartFile::is_done() const {
  const std::lock_guard lock(mutex_);
  return finished_;
}

std::uint64_t PartFile::present() const {
  const std::lock_guard lock(mutex_);
  if (finished_) return record_.size;
  std::uint64_t bytes = 0;
  for (const std::uint64_t part : done_) bytes += part;
  return bytes;
}

std::uint64_t PartFile::round() const {
  const std::lock_guard lock(mutex_);
  return round_;
}

std::uint64_t PartFile::end_of(std::size_t part) const {
  return done_.size() == 1 ? record_.size : std::min(record_.size, begin_of(part + 1));
}

std::pair<std::uint64_t, std::uint64_t> PartFile::missing(std::size_t part) const {
  const std::lock_guard lock(mutex_);
  if (finished_ || part >= done_.size()) return {0, 0};
  return {begin_of(part) + done_[part], end_of(part)};
}

bool PartFile::write(std::size_t part, std::uint64_t round, std::span<const std::byte> bytes) {
  std::uint64_t begin = 0, at = 0, end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (round != round_ || finished_) return false;
    begin = begin_of(part);
    at = begin + done_[part];
    end = end_of(part);
  }
  // One thread has a part: mutex_ is for the numbers, disk_ for the writes.
  {
    const std::lock_guard lock(disk_);
    if (!write_all_at(data_, at, bytes)) fail_to("write");
  }
  if (at + bytes.size() == end) begin_to_store(data_, begin, end);
  std::unique_lock lock(mutex_);
  if (round != round_) return false;
  done_[part] += bytes.size();
  save_progress(part);
  if (!hashing_) hash_in_order(lock, at, bytes);
  return true;
}

std::uint64_t PartFile::in_order() const {
  if (done_.size() == 1) return done_[0];
  for (auto part = static_cast<std::size_t>(hashed_ / part_bytes_); part < done_.size(); ++part) {
    const std::uint64_t end = begin_of(part) + done_[part];
    if (end < end_of(part)) return end;
  }
  return record_.size;
}

// One thread hashes, without the lock, while the others go on writing. What they wrote is still in memory, so that
// reading it back costs a copy and no disk; what this thread has just written at `at` needs no copy either.
void PartFile::hash_in_order(std::unique_lock<std::mutex>& lock, std::uint64_t at, std::span<const std::byte> fresh) {
  thread_local std::vector<std::byte> room(kHashPiece);
  bool fine = true;
  hashing_ = true;
  for (std::uint64_t end = in_order(); fine && hashed_ < end; end = in_order()) {
    const std::uint64_t from = hashed_;
    const bool is_fresh = from == at && !fresh.empty();
    const std::uint64_t to = is_fresh ? at + fresh.size() : std::min<std::uint64_t>(end, from + kHashPiece);
    lock.unlock();
    if (is_fresh) {
      digest_.add(fresh);
    } else {
      fine = hash_piece(room, from, to);
    }
    lock.lock();
    if (fine) hashed_ = to;
  }
  hashing_ = false;
  hash_rests_.notify_all();
  if (!fine) fail_to("read back");
}

bool PartFile::hash_piece(std::vector<std::byte>& room, std::uint64_t from, std::uint64_t end) {
  while (from < end) {
    const ssize_t n = ::pread(data_, room.data(), end - from, static_cast<off_t>(from));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    digest_.add(std::span<const std::byte>(room).first(static_cast<std::size_t>(n)));
    from += static_cast<std::uint64_t>(n);
  }
  return true;
}

void PartFile::wait_for_hash(std::unique_lock<std::mutex>& lock) {
  hash_rests_.wait(lock, [this] { return !hashing_; });
}

void PartFile::restart(std::uint64_t round) {
  std::unique_lock lock(mutex_);
  wait_for_hash(lock);
  if (round == round_ && !finished_) reset(done_.size());
}

void PartFile::restart_whole(std::uint64_t round) {
  std::unique_lock lock(mutex_);
  wait_for_hash(lock);
  if (round == round_ && !finished_) reset(1);
}

std::string PartFile::finish() {
  std::unique_lock lock(mutex_);
  const auto is_ready = [this] { return !finished_ && in_order() == record_.size; };
  if (!is_ready()) return "";  // without waiting: a thread may hash for long while parts are missing
  wait_for_hash(lock);
  if (!is_ready()) return "";
  hash_in_order(lock);
  std::string got = digest_.hex();
  if (got != hash()) {
    reset(done_.size());
    return got;
  }
  if (::ftruncate(data_, static_cast<off_t>(record_.size)) != 0 || ::fsync(data_) != 0) {
    // The system says once that bytes did not reach the disk, and holds them for written from then on.
    const int error = errno;
    static_cast<void>(::ftruncate(progress_, 0));
    errno = error;
    fail_to("write");
  }
  if (::rename(file(".part").c_str(), path().c_str()) != 0) fail_to("rename");
  ::unlink(file(".progress").c_str());
  sync_folder(folder_);
  finished_ = true;
  return "";
}

}  // namespace glimt
