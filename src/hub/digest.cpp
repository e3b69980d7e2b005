#include "hub/digest.h"

#include "base/error.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

namespace glimt {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& file)
      : file_(file), fd_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    const int error = errno;
    if (fd_ < 0)
      fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::bad_file, file.string(), "cannot open: {}",
           std::strerror(error));
  }
  ~OpenFile() { ::close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  std::uint64_t size() const {
    struct stat info {};
    if (::fstat(fd_, &info) != 0 || !S_ISREG(info.st_mode)) {
      fail(ErrorKind::bad_file, file_.string(), "a regular file is wanted");
    }
    return static_cast<std::uint64_t>(info.st_size);
  }

  std::size_t read(std::span<std::byte> room) const {
    ssize_t n = 0;
    do {
      n = ::read(fd_, room.data(), room.size());
    } while (n < 0 && errno == EINTR);
    if (n < 0) fail(ErrorKind::bad_file, file_.string(), "cannot read: {}", std::strerror(errno));
    return static_cast<std::size_t>(n);
  }

 private:
  const std::filesystem::path& file_;
  int fd_;
};

}  // namespace

struct Digest::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  Context() = default;
  ~Context() { EVP_MD_CTX_free(md); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
};

Digest::Digest(DigestKind kind, std::uint64_t size) : context_(std::make_unique<Context>()) {
  const EVP_MD* algorithm = kind == DigestKind::sha256 ? EVP_sha256() : EVP_sha1();
  if (EVP_DigestInit_ex(context_->md, algorithm, nullptr) != 1) {
    fail(ErrorKind::internal, "OpenSSL", "cannot begin a {}", kind == DigestKind::sha256 ? "sha256" : "sha1");
  }
  if (kind == DigestKind::git_blob) {
    add(fmt::format("blob {}", size));
    add(std::string_view("\0", 1));
  }
}

Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::add(std::span<const std::byte> bytes) {
  if (EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()) != 1) fail(ErrorKind::internal, "OpenSSL", "no hash");
}

void Digest::add(std::string_view bytes) { add(as_bytes(bytes)); }

std::string Digest::hex() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (EVP_DigestFinal_ex(context_->md, bytes, &size) != 1) fail(ErrorKind::internal, "OpenSSL", "no hash");
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", bytes[i]);
  return text;
}

std::string sha256_of(std::string_view bytes) {
  Digest digest(DigestKind::sha256, bytes.size());
  digest.add(bytes);
  return digest.hex();
}

std::string digest_of_file(DigestKind kind, const std::filesystem::path& file,
                           const std::function<void(std::size_t)>& read) {
  const OpenFile open(file);
  Digest digest(kind, open.size());
  std::vector<std::byte> room(kPiece);
  for (std::size_t n = open.read(room); n > 0; n = open.read(room)) {
    digest.add(std::span(room).first(n));
    if (read) read(n);
  }
  return digest.hex();
}

}  // namespace glimt
