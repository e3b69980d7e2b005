#include "server/tls.h"

#include "base/error.h"
#include "base/file.h"

#include <sys/stat.h>

namespace glimt {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

constexpr std::size_t kMostFileBytes = std::size_t{1} << 20;

void check(const error_code& error, const std::filesystem::path& file, const char* what) {
  if (error) fail(ErrorKind::bad_file, file.string(), "{} is wanted: {}", what, error.message());
}

void check_rights(const std::filesystem::path& key) {
  struct stat info {};
  if (::stat(key.c_str(), &info) == 0 && (info.st_mode & S_IRWXO) != 0) {
    fail(ErrorKind::bad_file, key.string(), "everybody may read this private key; chmod o-rwx {}", key.string());
  }
}

}  // namespace

std::shared_ptr<ssl::context> tls_context(const std::filesystem::path& certificate, const std::filesystem::path& key) {
  const std::string chain = read_file(certificate, kMostFileBytes);
  const std::string private_key = read_file(key, kMostFileBytes);
  check_rights(key);
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 |
                       ssl::context::no_compression);
  error_code error;
  context->use_certificate_chain(boost::asio::buffer(chain), error);
  check(error, certificate, "a certificate chain in PEM form");
  context->use_private_key(boost::asio::buffer(private_key), ssl::context::pem, error);
  check(error, key, "the private key of the certificate in PEM form");
  return context;
}

}  // namespace glimt
