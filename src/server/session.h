// The requests of one connection, one after another.
#pragma once

#include "server/connection.h"
#include "server/service.h"

#include <boost/asio/awaitable.hpp>

#include <memory>

namespace glimt {

// Ends when the connection has: by the client, by a time limit, behind an error of framing, or because the server
// stops. Throws nothing.
asio::awaitable<void> serve_connection(std::shared_ptr<Connection> connection, Service& service);

}  // namespace glimt
