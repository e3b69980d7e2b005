// The addresses that the server listens on.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace glimt {

// One acceptor for each address of the host ("localhost" often has two). Throws invalid_request for a host that is
// unknown or not of this machine, and a port that is taken or not for this user; each names its flag.
std::vector<boost::asio::ip::tcp::acceptor> listen_on(boost::asio::io_context& io, const std::string& host,
                                                      std::uint16_t port);

// How many connections the process may have open at once, at most `wanted`: raises the limit of open files if it can.
// Throws invalid_request where there would be fewer than a handful.
std::size_t allowed_connections(std::size_t wanted);

}  // namespace glimt
