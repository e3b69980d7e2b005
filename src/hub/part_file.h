// A file on its way: its parts arrive in any order, its hash is made in order, and what has arrived survives a kill.
#pragma once

#include "hub/digest.h"
#include "hub/manifest.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace glimt {

// FOLDER/HASH.part, and FOLDER/HASH.progress with the bytes of each part that are there; FOLDER/HASH when it is whole
// and its hash is right. Any thread may use it.
class PartFile {
 public:
  // Goes on with what is there. Throws bad_file.
  PartFile(const std::filesystem::path& folder, FileRecord record, std::uint64_t part_bytes);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  const FileRecord& record() const { return record_; }
  std::filesystem::path path() const;  // when it is done
  bool is_done() const;
  std::uint64_t present() const;  // bytes
  std::size_t parts() const { return done_.size(); }

  // First byte that is missing in a part, and the end of the part; equal if nothing is.
  std::pair<std::uint64_t, std::uint64_t> missing(std::size_t part) const;

  // Writes bytes at the first byte that is missing in `part`. False if the file began anew since `round`: they are of
  // no use. Throws bad_file, e.g. for a full disk.
  bool write(std::size_t part, std::uint64_t round, std::span<const std::byte> bytes);

  std::uint64_t round() const;

  // Forgets all bytes. Only if `round` is still the file's; whoever asks first wins.
  void restart(std::uint64_t round);

  // As restart, and from now on the whole file is one part.
  void restart_whole(std::uint64_t round);

  // When nothing is missing any more: takes its name if the hash is right. Else the hash that it has; empty if all is
  // well or another thread was here first.
  std::string finish();

 private:
  void open();
  void load_progress();
  void save_progress(std::size_t part);
  void reset(std::size_t parts);
  void hash_in_order(std::unique_lock<std::mutex>& lock, std::uint64_t at = 0, std::span<const std::byte> fresh = {});
  void wait_for_hash(std::unique_lock<std::mutex>& lock);
  bool hash_piece(std::vector<std::byte>& room, std::uint64_t from, std::uint64_t end);
  std::uint64_t in_order() const;  // bytes from the beginning without a gap
  std::uint64_t begin_of(std::size_t part) const { return static_cast<std::uint64_t>(part) * part_bytes_; }
  std::uint64_t end_of(std::size_t part) const;
  std::string hash() const { return record_.sha256.empty() ? record_.blob : record_.sha256; }
  std::filesystem::path file(const char* ending) const { return folder_ / (hash() + ending); }
  [[noreturn]] void fail_to(const char* what) const;

  std::filesystem::path folder_;
  FileRecord record_;
  std::uint64_t part_bytes_;
  std::mutex disk_;  // of writes to data_, which the system does one after the other: who waits there spins
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> done_;  // bytes of each part
  std::uint64_t round_ = 0;
  bool finished_ = false;
  int data_ = -1;
  int progress_ = -1;
  Digest digest_;
  std::uint64_t hashed_ = 0;
  bool hashing_ = false;  // a thread uses digest_ without the lock
  std::condition_variable hash_rests_;
};

}  // namespace glimt
