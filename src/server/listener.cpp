#include "server/listener.h"

#include "base/error.h"

#include <sys/resource.h>
#include <boost/asio/ip/v6_only.hpp>

#include <algorithm>
#include <utility>

namespace glimt {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t kOtherFiles = 64;  // models, logs, and what libraries hold open
constexpr std::size_t kLeastConnections = 16;

std::vector<tcp::endpoint> endpoints_of(asio::io_context& io, const std::string& host, std::uint16_t port) {
  error_code error;
  const auto address = asio::ip::make_address(host, error);
  if (!error) return {{address, port}};
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  if (error) fail(ErrorKind::invalid_request, "--host", "'{}' is no address and no known name", host);
  std::vector<tcp::endpoint> all;
  for (const auto& entry : found) {
    if (std::find(all.begin(), all.end(), entry.endpoint()) == all.end()) all.push_back(entry.endpoint());
  }
  return all;
}

[[noreturn]] void cannot_listen(const error_code& error, const std::string& host, std::uint16_t port) {
  if (error == asio::error::address_in_use) {
    fail(ErrorKind::invalid_request, "--port", "{} of {} is taken by another program; choose another one", port, host);
  }
  if (error == asio::error::access_denied) {
    fail(ErrorKind::invalid_request, "--port", "{} is not for this user; choose one above 1023", port);
  }
  fail(ErrorKind::invalid_request, "--host", "cannot listen on {}, port {}: {}", host, port, error.message());
}

tcp::acceptor listen(asio::io_context& io, const tcp::endpoint& endpoint, error_code& error) {
  tcp::acceptor acceptor(io);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.address().is_v6()) {
    // "::" alone takes IPv4's as well; beside an acceptor for these it must not.
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  return acceptor;
}

}  // namespace

std::vector<tcp::acceptor> listen_on(asio::io_context& io, const std::string& host, std::uint16_t port) {
  std::vector<tcp::acceptor> acceptors;
  error_code last;
  for (tcp::endpoint endpoint : endpoints_of(io, host, port)) {
    if (!acceptors.empty()) endpoint.port(acceptors.front().local_endpoint().port());  // where any was asked for
    error_code error;
    tcp::acceptor acceptor = listen(io, endpoint, error);
    if (error == asio::error::address_in_use) cannot_listen(error, host, port);
    if (error) {
      last = error;  // a machine without IPv6, say
    } else {
      acceptors.push_back(std::move(acceptor));
    }
  }
  if (acceptors.empty()) cannot_listen(last, host, port);
  return acceptors;
}

std::size_t allowed_connections(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  const rlim_t needed = wanted + kOtherFiles;
  if (files.rlim_cur < needed) {
    files.rlim_cur = std::min(files.rlim_max, needed);
    ::setrlimit(RLIMIT_NOFILE, &files);
    ::getrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur < kOtherFiles + kLeastConnections) {
    fail(ErrorKind::invalid_request, "ulimit -n", "{} open files are too few; at least {} are wanted", files.rlim_cur,
         kOtherFiles + kLeastConnections);
  }
  return std::min(wanted, static_cast<std::size_t>(files.rlim_cur) - kOtherFiles);
}

}  // namespace glimt
