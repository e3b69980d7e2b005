// Hashes of files: sha256 (OpenSSL's, which uses the CPU's instructions for it), and git's, which hubs know small files
// by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace glimt {

enum class DigestKind : std::uint8_t {
  sha256,
  git_blob  // sha1 of "blob ", the length, a zero byte and the content
};

// Bytes in, 64 or 40 lower-case hexadecimal digits out. Used by one thread.
class Digest {
 public:
  Digest(DigestKind kind, std::uint64_t size);  // `size` of the whole content; a sha256 does not depend on it
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void add(std::span<const std::byte> bytes);
  void add(std::string_view bytes);
  std::string hex();  // REQUIRES that it is the last call

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

std::string sha256_of(std::string_view bytes);

// Of a regular file, in pieces; `read` is told of each, with its length, and may throw to stop. Throws not_found or
// bad_file.
std::string digest_of_file(DigestKind kind, const std::filesystem::path& file,
                           const std::function<void(std::size_t)>& read = {});

}  // namespace glimt
