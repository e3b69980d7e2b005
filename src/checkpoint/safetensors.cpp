#include "checkpoint/safetensors.h"

#include "base/error.h"
#include "base/file_kind.h"

#include <cstring>

namespace glimt {
namespace {

constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);
constexpr std::size_t kMaxHeader = 100'000'000;  // the reference implementation's limit

std::uint64_t header_length(const MappedFile& map, const std::string& where) {
  const std::string_view content(reinterpret_cast<const char*>(map.data()), map.size());
  if (const auto kind = foreign_kind(content))
    fail(ErrorKind::bad_file, where, "is not a safetensors file but {}", *kind);
  if (map.size() < kLengthBytes) {
    fail(ErrorKind::bad_file, where, "is {} bytes long, too short for a safetensors header", map.size());
  }
  std::uint64_t length = 0;
  std::memcpy(&length, map.data(), sizeof length);
  const std::size_t rest = map.size() - kLengthBytes;
  if (length > rest || length > kMaxHeader) {
    fail(ErrorKind::bad_file, where,
         "the header claims {} bytes, the file has {} behind its length (truncated or not a safetensors file)", length,
         rest);
  }
  return length;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : path_(path), map_(std::make_shared<const MappedFile>(path)) {
  header_length(*map_, path_.string());
  const std::string_view header = header_text();
  header_ = parse_safetensors_header(header, kLengthBytes + header.size(), map_->size(), path_.string());
}

std::string_view SafetensorsFile::header_text() const {
  return {reinterpret_cast<const char*>(map_->data()) + kLengthBytes, header_length(*map_, path_.string())};
}

}  // namespace glimt
