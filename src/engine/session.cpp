#include "engine/session.h"

#include "base/error.h"

#include <fmt/format.h>

#include <cstring>

namespace glimt {
namespace {

constexpr std::string_view kMagic = "GLIMTSES";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kFixed = 8 + 4 + 4 + 8 + 8, kChecksum = 4;
constexpr std::size_t kLongestKey = std::size_t{1} << 16;

}  // namespace

SessionWriter::SessionWriter(const std::filesystem::path& file, std::string_view key, std::span<const TokenId> tokens,
                             std::size_t block_bytes)
    : file_(file, FileAccess::owner_only) {
  put(kMagic.data(), kMagic.size());
  put(kVersion);
  put(static_cast<std::uint32_t>(key.size()));
  put(std::uint64_t{tokens.size() / kernels::kBlockRows});
  put(std::uint64_t{block_bytes});
  put(key.data(), key.size());
  put(tokens.data(), tokens.size_bytes());
}

void SessionWriter::put(const void* bytes, std::size_t size) {
  crc_.process_bytes(bytes, size);
  file_.append({static_cast<const char*>(bytes), size});
}

void SessionWriter::append(std::span<const std::byte> block) { put(block.data(), block.size()); }

void SessionWriter::commit() {
  put(static_cast<std::uint32_t>(crc_.checksum()));
  file_.commit();
}

SessionReader::SessionReader(const std::filesystem::path& file, std::string_view key, std::size_t block_bytes)
    : where_(file.string()) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) fail(ErrorKind::not_found, where_, "cannot be read: {}", error.message());
  file_.open(file, std::ios::binary);
  std::string magic(kMagic.size(), ' ');
  if (size < kFixed + kChecksum) fail(ErrorKind::bad_file, where_, "is not a session of glimt");
  get(magic.data(), magic.size());
  if (magic != kMagic) fail(ErrorKind::bad_file, where_, "is not a session of glimt");
  if (const auto version = number<std::uint32_t>(); version != kVersion) {
    fail(ErrorKind::bad_file, where_, "has version {}, this program reads {}", version, kVersion);
  }
  const auto key_size = number<std::uint32_t>();
  const auto blocks = number<std::uint64_t>(), bytes = number<std::uint64_t>();
  if (key_size > kLongestKey || key_size > size)
    fail(ErrorKind::bad_file, where_, "is damaged: a key of {} bytes", key_size);
  std::string stored(key_size, ' ');
  get(stored.data(), stored.size());
  if (stored != key) {
    fail(ErrorKind::bad_file, where_, "is of another model, cache type, configuration or owner ({}); this one is {}",
         stored, key);
  }
  const std::uint64_t per_block = block_bytes + kernels::kBlockRows * sizeof(TokenId);
  const std::uint64_t left = size - std::min<std::uint64_t>(size, kFixed + kChecksum + key_size);
  if (bytes != block_bytes || blocks != left / per_block || left % per_block != 0) {
    fail(ErrorKind::bad_file, where_, "holds {} bytes for {} blocks of {}; the cache has blocks of {}", left, blocks,
         bytes, block_bytes);
  }
  tokens_.resize(blocks * kernels::kBlockRows);
  get(tokens_.data(), tokens_.size() * sizeof(TokenId));
}

void SessionReader::get(void* bytes, std::size_t size) {
  if (!file_.read(static_cast<char*>(bytes), static_cast<std::streamsize>(size))) {
    fail(ErrorKind::bad_file, where_, "cannot be read, or ends in the middle");
  }
  crc_.process_bytes(bytes, size);
}

void SessionReader::next(std::span<std::byte> block) { get(block.data(), block.size()); }

void SessionReader::verify() {
  const std::uint32_t wanted = static_cast<std::uint32_t>(crc_.checksum());
  if (number<std::uint32_t>() != wanted) fail(ErrorKind::bad_file, where_, "is damaged: its checksum is wrong");
}

}  // namespace glimt
