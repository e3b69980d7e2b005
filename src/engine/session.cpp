#include "engine/session.h"

#include "base/error.h"
#include "base/file.h"

#include <boost/crc.hpp>

#include <algorithm>
#include <cstring>

namespace glimt {
namespace {

constexpr std::string_view kMagic = "GLIMTSES";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kFixed = 8 + 4 + 4 + 8 + 8, kChecksum = 4;

constexpr std::size_t kSamples = 64, kSampleBytes = 4096;

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::uint32_t crc_of(std::string_view bytes) {
  boost::crc_32_type crc;
  crc.process_bytes(bytes.data(), bytes.size());
  return crc.checksum();
}

// Takes values from the front; never beyond the end.
class Reader {
 public:
  Reader(std::string_view bytes, std::string where) : rest_(bytes), where_(std::move(where)) {}

  std::string_view bytes(std::size_t count) {
    if (count > rest_.size()) fail(ErrorKind::bad_file, where_, "ends in the middle (truncated?)");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  template <typename T>
  T number() {
    T value;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }

  std::size_t left() const { return rest_.size(); }

 private:
  std::string_view rest_;
  std::string where_;
};

}  // namespace

std::string weights_fingerprint(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  boost::crc_32_type crc;
  std::size_t total = 0;
  for (const std::filesystem::path& path : files) {
    const MappedFile file(path);
    total += file.size();
    for (std::size_t i = 0; i < kSamples && file.size() > 0; ++i) {
      const std::size_t at = file.size() / kSamples * i;
      crc.process_bytes(file.data() + at, std::min(kSampleBytes, file.size() - at));
    }
  }
  return fmt::format("{} files, {} bytes, {:08x}", files.size(), total, crc.checksum());
}

std::string session_key(const std::string& fingerprint, const PoolShape& shape) {
  return fmt::format("{}; {} layers of {} columns, {}, blocks of {}", fingerprint, shape.layers, shape.width,
                     kernels::to_string(shape.type), kernels::kBlockRows);
}

void write_session(const std::filesystem::path& file, const std::string& key, const EngineLoop::Prefix& prefix) {
  std::string out(kMagic);
  const std::size_t block_bytes = prefix.blocks.empty() ? 0 : prefix.blocks[0].size();
  put(out, kVersion);
  put(out, static_cast<std::uint32_t>(key.size()));
  put(out, std::uint64_t{prefix.blocks.size()});
  put(out, std::uint64_t{block_bytes});
  out += key;
  for (const TokenId token : prefix.tokens) put(out, token);
  for (const std::vector<std::byte>& block : prefix.blocks) {
    out.append(reinterpret_cast<const char*>(block.data()), block.size());
  }
  put(out, crc_of(out));
  write_file_atomically(file, out, FileAccess::owner_only);
}

EngineLoop::Prefix read_session(const std::filesystem::path& file, const std::string& key) {
  const std::string where = file.string();
  const MappedFile map(file);
  const std::string_view all(reinterpret_cast<const char*>(map.data()), map.size());
  if (all.size() < kFixed + kChecksum || all.substr(0, kMagic.size()) != kMagic) {
    fail(ErrorKind::bad_file, where, "is not a session of glimt");
  }
  Reader reader(all.substr(0, all.size() - kChecksum), where);
  reader.bytes(kMagic.size());
  const auto version = reader.number<std::uint32_t>();
  if (version != kVersion) fail(ErrorKind::bad_file, where, "has version {}, this program reads {}", version, kVersion);
  const auto key_size = reader.number<std::uint32_t>();
  const auto blocks = reader.number<std::uint64_t>(), block_bytes = reader.number<std::uint64_t>();
  if (Reader(all.substr(all.size() - kChecksum), where).number<std::uint32_t>() !=
      crc_of(all.substr(0, all.size() - kChecksum))) {
    fail(ErrorKind::bad_file, where, "is damaged: its checksum is wrong");
  }
  if (const std::string_view stored = reader.bytes(key_size); stored != key) {
    fail(ErrorKind::bad_file, where, "is of another model or cache type ({}); this one is {}", stored, key);
  }
  const std::uint64_t per_block = block_bytes + kernels::kBlockRows * sizeof(TokenId);
  if (block_bytes == 0 || block_bytes > reader.left() || blocks != reader.left() / per_block ||
      blocks * per_block != reader.left()) {
    fail(ErrorKind::bad_file, where, "holds {} bytes for {} blocks of {}", reader.left(), blocks, block_bytes);
  }
  EngineLoop::Prefix prefix;
  prefix.tokens.resize(blocks * kernels::kBlockRows);
  const std::string_view tokens = reader.bytes(prefix.tokens.size() * sizeof(TokenId));
  std::memcpy(prefix.tokens.data(), tokens.data(), tokens.size());
  for (std::uint64_t i = 0; i < blocks; ++i) {
    const std::string_view bytes = reader.bytes(block_bytes);
    const auto* first = reinterpret_cast<const std::byte*>(bytes.data());
    prefix.blocks.emplace_back(first, first + bytes.size());
  }
  return prefix;
}

}  // namespace glimt
