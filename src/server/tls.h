// The certificate of the server, read from files again when these have changed.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include <filesystem>
#include <memory>

namespace glimt {

// TLS 1.2 and later. Throws bad_file or not_found, which name the file; also where the key is not the certificate's, or
// others may read it.
std::shared_ptr<boost::asio::ssl::context> tls_context(const std::filesystem::path& certificate,
                                                       const std::filesystem::path& key);

}  // namespace glimt
